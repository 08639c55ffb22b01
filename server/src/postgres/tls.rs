//! TLS as the URL asks for it, with the meaning that libpq gives to `sslmode` and `sslrootcert`.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What is checked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Nothing: the connection is encrypted, and an attacker in its middle can read it.
    Nothing,
    /// An authority signed it.
    Authority,
    /// An authority signed it for this host.
    Host,
}

/// Splits a URL into the settings of a connection and those of its TLS.
pub(super) fn split(url: &str) -> Result<(Config, MakeRustlsConnect), String> {
    let (rest, mode, roots) = take_parameters(url)?;
    let (mode, check) = match mode.as_deref() {
        Some("disable") => (SslMode::Disable, Check::Nothing),
        None | Some("prefer") => (SslMode::Prefer, Check::Nothing),
        // As libpq: a file of authorities makes the check stricter.
        Some("require") if roots.is_some() => (SslMode::Require, Check::Authority),
        Some("require") => (SslMode::Require, Check::Nothing),
        Some("verify-ca") => (SslMode::Require, Check::Authority),
        Some("verify-full") => (SslMode::Require, Check::Host),
        Some(_) => {
            return Err(
                "sslmode in the URL is one of disable, prefer, require, verify-ca, verify-full".to_owned()
            );
        }
    };
    let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
        let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("the URL is not valid: {reason}")
    })?;
    config.ssl_mode(mode);
    Ok((config, MakeRustlsConnect::new(client(check, roots.as_deref())?)))
}

/// Takes `sslmode` and `sslrootcert` out of a URL: tokio-postgres knows neither all modes nor files.
fn take_parameters(url: &str) -> Result<(String, Option<String>, Option<String>), String> {
    let Some((place, parameters)) = url.split_once('?') else { return Ok((url.to_owned(), None, None)) };
    let (mut mode, mut roots) = (None, None);
    let mut others = Vec::new();
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => roots = Some(decoded(value)?),
            _ => others.push(parameter),
        }
    }
    let mark = if others.is_empty() { "" } else { "?" };
    Ok((format!("{place}{mark}{}", others.join("&")), mode, roots))
}

fn decoded(value: &str) -> Result<String, String> {
    let text = percent_encoding::percent_decode_str(value).decode_utf8();
    text.map(Into::into).map_err(|_| "sslrootcert in the URL is not UTF-8".to_owned())
}

fn client(check: Check, roots: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match check {
        Check::Nothing => Arc::new(AnyCertificate(Arc::clone(&provider))),
        Check::Authority | Check::Host => {
            let authorities = Arc::new(authorities(roots)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(&provider))
                .build()
                .map_err(|error| format!("the authorities of certificates: {error}"))?;
            if check == Check::Host { verifier } else { Arc::new(AnyHost(verifier)) }
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Reads a file of authorities. Without one, or with `system`, returns those of the system.
fn authorities(path: Option<&str>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match path.filter(|path| *path != "system") {
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let fault = |error: &dyn std::fmt::Display| format!("sslrootcert={path}: {error}");
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fault(&error))? {
                let certificate = certificate.map_err(|error| fault(&error))?;
                store.add(certificate).map_err(|error| fault(&error))?;
            }
        }
    }
    if store.is_empty() {
        let from = path.unwrap_or("the system");
        return Err(format!(
            "{from} has no certificate of an authority: name a file by sslrootcert=FILE in the URL"
        ));
    }
    Ok(store)
}

/// Takes each certificate, as libpq does with `sslmode=require`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes a certificate that an authority signed, for whatever host.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The host is checked last, so everything else was right.
        match self.0.verify_server_cert(certificate, intermediates, host, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, String> {
        split(url).map(|(config, _)| config.get_ssl_mode())
    }

    #[test]
    fn the_modes_of_libpq_are_known_and_others_are_refused() {
        assert_eq!(mode("postgres://h/d"), Ok(SslMode::Prefer));
        assert_eq!(mode("postgres://h/d?sslmode=disable"), Ok(SslMode::Disable));
        assert_eq!(mode("postgres://h/d?sslmode=require&channel_binding=require"), Ok(SslMode::Require));
        let error = mode("postgres://h/d?sslmode=allow").unwrap_err();
        assert!(error.contains("verify-full"), "{error}");
    }

    #[test]
    fn a_file_of_authorities_must_be_there_and_other_parameters_stay() {
        let error = mode("postgres://h/d?sslmode=verify-full&sslrootcert=%2Fno%2Fsuch%20file").unwrap_err();
        assert!(error.contains("/no/such file"), "{error}");
        let error = mode("postgres://h/d?sslcert=a").unwrap_err();
        assert!(error.contains("`sslcert`"), "{error}");
        let (config, _) = split("postgres://h/d?connect_timeout=3&sslmode=prefer").unwrap();
        assert_eq!(config.get_connect_timeout(), Some(&std::time::Duration::from_secs(3)));
    }
}
