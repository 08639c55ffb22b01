//! Finds version numbers in the output of tools.

/// Finds the first word that begins with a digit and contains a dot: `wasm-pack 0.15.1` → `0.15.1`.
pub(crate) fn version_in(text: &str) -> Option<&str> {
    let words = text.split([' ', '\n', '\t', '(', ')']);
    words
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
}

/// Returns the number before the first dot.
pub(crate) fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// Returns the three numbers of a version. A missing one is 0.
pub(crate) fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// Returns whether the first two numbers of the version are at least `wanted`.
pub(crate) fn is_at_least(version: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
}

/// Returns the upstream part of a Debian version: `1.96.0+dfsg1-1~deb12u2` → `1.96.0`.
pub(crate) fn upstream(debian: &str) -> &str {
    let without_epoch = debian.split_once(':').map_or(debian, |(_, rest)| rest);
    without_epoch.split(['+', '-', '~']).next().unwrap_or(without_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        assert_eq!(version_in("wasm-bindgen 0.2.130"), Some("0.2.130"));
        assert_eq!(version_in("v20.20.2\n"), Some("20.20.2"));
        assert_eq!(version_in("Chromium 156.0.8078.79 built on Debian GNU/Linux 12"), Some("156.0.8078.79"));
        assert_eq!(
            version_in("ChromeDriver 156.0.8078.79 (a21ce95c-refs/branch-heads/8078)"),
            Some("156.0.8078.79")
        );
        assert_eq!(version_in("command not found"), None);
        assert_eq!(version_in(""), None);
    }

    #[test]
    fn the_major_number_is_the_one_before_the_first_dot() {
        assert_eq!(major("156.0.8078.79"), Some(156));
        assert_eq!(major("20"), Some(20));
        assert_eq!(major("x.1"), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_at_least("20.19.0", (20, 19)));
        assert!(is_at_least("22.1.0", (20, 19)));
        assert!(!is_at_least("20.9.5", (20, 19)));
        assert!(!is_at_least("nonsense", (20, 19)));
    }

    #[test]
    fn a_debian_version_is_reduced_to_the_upstream_one() {
        assert_eq!(upstream("1.96.0+dfsg1-1~deb12u2"), "1.96.0");
        assert_eq!(upstream("1:22.1.8-1~deb12u1"), "22.1.8");
        assert_eq!(upstream("3.0"), "3.0");
    }
}
