//! Asks the application about clients and their rights. The application's code runs on its own runtime, and never on a
//! shard's thread.

use std::{
    fmt,
    future::{Future, poll_fn},
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use hyper::{HeaderMap, header::COOKIE};
use tidings_hub::{
    AccessError, Answer, Hub, Identity, Question, QuestionId,
    problem::Problem,
    refusals::Line,
    revocation::{Admission, Admitted},
};
use tidings_shared::{Code, TopicName, limits::MAX_QUESTIONS};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    authorize::{Authorize, Credentials},
    host::FAR,
    origin::OriginRule,
};

/// The part of a request that can prove who sent it.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    headers: HeaderMap,
    peer: Option<IpAddr>,
    /// It sent cookies, and the application does not see them.
    has_lost_cookies: bool,
}

impl Caller {
    /// Returns the caller of a request with these headers. It keeps the cookies only if the page may use them.
    pub(crate) fn new(mut headers: HeaderMap, peer: Option<IpAddr>, origins: &OriginRule) -> Self {
        let has_lost_cookies = !origins.may_use_cookies(&headers) && headers.remove(COOKIE).is_some();
        Self { headers, peer, has_lost_cookies }
    }

    fn credentials(&self, token: Option<String>, now_unix_ms: u64) -> Credentials {
        Credentials { token, headers: self.headers.clone(), peer: self.peer, now_unix_ms }
    }
}

/// Why the application did not see the cookies of a client that it refused, for the operator.
const COOKIES_LOST: &str =
    "its cookies do not count: the request does not say that it is from a page that is let in";
const COOKIES_REMEDY: &str = "let a program send the Origin of such a page; serve pages over https or from localhost, and \
    with OriginRule::Loopback (--dev) from the host and port of the gateway";

/// Asks the application. A clone is cheap, and shares the bound of open questions.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    hub: Hub,
    access: Arc<dyn Decide>,
    open: Arc<Semaphore>,
    /// The time for an answer to an HTTP request. Sessions have deadlines of their own.
    timeout: Duration,
}

/// A question that the application has not answered yet. Dropping this drops the application's future.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) id: QuestionId,
    answer: JoinHandle<Answer>,
}

impl Questions {
    pub(crate) fn new(hub: Hub, access: impl Authorize, timeout: Duration) -> Self {
        Self { hub, access: Arc::new(access), open: Arc::new(Semaphore::new(MAX_QUESTIONS)), timeout }
    }

    /// Asks a question of a session. The application answers on its runtime.
    pub(crate) fn ask(
        &self,
        runtime: &Handle,
        id: QuestionId,
        question: Question,
        caller: Arc<Caller>,
    ) -> Open {
        let questions = self.clone();
        Open { id, answer: runtime.spawn(async move { questions.answer(question, caller).await }) }
    }

    /// Returns the client that sends an HTTP request.
    pub(crate) async fn admit(&self, token: Option<&str>, caller: Caller) -> Result<Admitted, Problem> {
        let hub = &self.hub;
        let deadline = self.deadline();
        let caller = Arc::new(caller);
        loop {
            let asked_at = hub.revocations().newest();
            let question = Question::Authenticate { token: token.map(str::to_owned) };
            let admission = match self.answer_until(deadline, question, Arc::clone(&caller)).await? {
                Answer::Identity(identity) => {
                    identity.map(|identity| hub.revocations().admit(identity, token, asked_at, hub.now()))
                }
                Answer::Topics(_) | Answer::Failed => return Err(failed()),
            };
            let error = match admission {
                Ok(Admission::Admitted(admitted)) => return Ok(admitted),
                Ok(Admission::AskAgain) => continue,
                Ok(Admission::Refused(error)) | Err(error) => error,
            };
            self.note(&error);
            return Err(error.into());
        }
    }

    /// Returns for each topic whether the client may subscribe to it, and the newest revocation that the answer knows.
    pub(crate) async fn may_subscribe(
        &self,
        admitted: &Admitted,
        topics: &[TopicName],
    ) -> Result<(Vec<bool>, u64), Problem> {
        let rights = admitted.identity.final_rights();
        let by_rights = rights.map(|rights| topics.iter().map(|topic| rights.may_subscribe(topic)).collect());
        let question =
            || Question::Subscribe { identity: Arc::clone(&admitted.identity), topics: topics.to_vec() };
        self.judge(admitted, topics, by_rights, question).await
    }

    /// Returns for each topic whether the client may publish to it.
    pub(crate) async fn may_publish(
        &self,
        admitted: &Admitted,
        topics: &[TopicName],
    ) -> Result<Vec<bool>, Problem> {
        let rights = admitted.identity.final_rights();
        let by_rights = rights.map(|rights| topics.iter().map(|topic| rights.may_publish(topic)).collect());
        let question =
            || Question::Publish { identity: Arc::clone(&admitted.identity), topics: topics.to_vec() };
        let (mut allowed, _) = self.judge(admitted, topics, by_rights, question).await?;
        self.hub.revocations().withdraw(admitted, topics, &mut allowed, self.hub.now());
        Ok(allowed)
    }

    /// Checks that the client may revoke.
    pub(crate) async fn check_may_revoke(&self, admitted: &Admitted) -> Result<(), Problem> {
        let answer = async {
            let _open = self.open.acquire().await;
            let answer = Arc::clone(&self.access).may_revoke(Arc::clone(&admitted.identity));
            AssertUnwindSafe(answer).catch_unwind().await
        };
        let answer = timeout_at(self.deadline(), answer).await;
        self.check_not_revoked(admitted)?;
        match answer.map_err(|_| self.note_late())?.map_err(|_| self.note_panic())? {
            Ok(true) => Ok(()),
            Ok(false) => Err(Problem::new(Code::Forbidden, "revoking needs the right `admin`")),
            Err(error) => {
                self.note(&error);
                Err(error.into())
            }
        }
    }

    async fn judge(
        &self,
        admitted: &Admitted,
        topics: &[TopicName],
        by_rights: Option<Vec<bool>>,
        question: impl Fn() -> Question,
    ) -> Result<(Vec<bool>, u64), Problem> {
        let (hub, deadline) = (&self.hub, self.deadline());
        let mut asked_at = hub.revocations().newest();
        if let Some(allowed) = by_rights.or_else(|| topics.is_empty().then(Vec::new)) {
            return Ok((allowed, asked_at));
        }
        loop {
            let allowed = match self.answer_until(deadline, question(), Arc::default()).await? {
                Answer::Topics(allowed) => allowed.inspect_err(|error| self.note(error))?,
                Answer::Identity(_) | Answer::Failed => return Err(failed()),
            };
            self.check_not_revoked(admitted)?;
            if !hub.revocations().outdate(admitted, topics, asked_at, hub.now()) {
                return Ok((allowed, asked_at));
            }
            // The answer may be older than a revocation.
            asked_at = hub.revocations().newest();
        }
    }

    /// Checks that the client was not revoked while the application took its time.
    fn check_not_revoked(&self, admitted: &Admitted) -> Result<(), Problem> {
        let is_revoked = self.hub.revocations().ends(None, admitted, self.hub.now());
        if is_revoked { Err(AccessError::unauthorized("the token was revoked").into()) } else { Ok(()) }
    }

    async fn answer_until(
        &self,
        deadline: Instant,
        question: Question,
        caller: Arc<Caller>,
    ) -> Result<Answer, Problem> {
        // A timeout looks at the clock only while the answer is pending.
        if Instant::now() >= deadline {
            return Err(self.note_late());
        }
        timeout_at(deadline, self.answer(question, caller)).await.map_err(|_| self.note_late())
    }

    async fn answer(&self, question: Question, caller: Arc<Caller>) -> Answer {
        // The semaphore is never closed.
        let _open = self.open.acquire().await;
        let access = Arc::clone(&self.access);
        let answer = access.decide(question, Arc::clone(&caller), self.hub.now().unix_ms);
        let answer = AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
            self.note_panic();
            Answer::Failed
        });
        if let Answer::Identity(Err(error)) = &answer
            && error.code == Code::Unauthorized
            && caller.has_lost_cookies
        {
            let line = Line::new(COOKIES_LOST, COOKIES_REMEDY);
            self.hub.refusals().request(&line, self.hub.now().since_start);
        }
        answer
    }

    /// Tells the operator why a client was refused.
    fn note(&self, error: &AccessError) {
        self.hub.refusals().client(error, self.hub.now().since_start);
    }

    fn note_late(&self) -> Problem {
        let late = AccessError::late();
        self.note(&late);
        late.into()
    }

    fn note_panic(&self) -> Problem {
        self.hub.metrics().panics.inc();
        failed()
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.timeout).unwrap_or(now + FAR)
    }
}

fn failed() -> Problem {
    AccessError::failed().into()
}

impl Open {
    /// Polls for the answer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        // A task is cancelled when its runtime ends.
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.unwrap_or(Answer::Failed))
    }

    /// Returns the answer if it is there.
    pub(crate) fn now(&mut self) -> Option<Answer> {
        poll_fn(|cx| self.poll(cx)).now_or_never()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

/// [`Authorize`] as an object.
trait Decide: fmt::Debug + Send + Sync {
    fn decide(
        self: Arc<Self>,
        question: Question,
        caller: Arc<Caller>,
        now_unix_ms: u64,
    ) -> BoxFuture<'static, Answer>;

    fn may_revoke(self: Arc<Self>, identity: Arc<Identity>) -> BoxFuture<'static, Result<bool, AccessError>>;
}

impl<A: Authorize> Decide for A {
    fn decide(
        self: Arc<Self>,
        question: Question,
        caller: Arc<Caller>,
        now_unix_ms: u64,
    ) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            match question {
                Question::Authenticate { token } => {
                    Answer::Identity(self.authenticate(&caller.credentials(token, now_unix_ms)).await)
                }
                Question::Subscribe { identity, topics } => {
                    Answer::Topics(self.may_subscribe(&identity, &topics).await)
                }
                Question::Publish { identity, topics } => {
                    Answer::Topics(self.may_publish(&identity, &topics).await)
                }
            }
        })
    }

    fn may_revoke(self: Arc<Self>, identity: Arc<Identity>) -> BoxFuture<'static, Result<bool, AccessError>> {
        Box::pin(async move { Authorize::may_revoke(&*self, &identity).await })
    }
}
