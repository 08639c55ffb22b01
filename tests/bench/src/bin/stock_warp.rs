//! The program that everybody would write first: warp's own WebSocket, and an unbounded queue and a task for each
//! connection. What a publisher says goes to all others.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use warp::{
    Filter,
    ws::{Message, WebSocket},
};

type Users = Arc<Mutex<HashMap<usize, UnboundedSender<Message>>>>;

static NEXT: AtomicUsize = AtomicUsize::new(0);

#[tokio::main]
async fn main() {
    let users = Users::default();
    let publishes = warp::path!("subscribe").map(|| false).or(warp::path!("publish").map(|| true)).unify();
    let routes = publishes.and(warp::ws()).map(move |publishes, ws: warp::ws::Ws| {
        let users = Arc::clone(&users);
        ws.on_upgrade(move |socket| connected(socket, users, publishes))
    });
    let Ok(listener) = tokio::net::TcpListener::bind("127.0.0.1:0").await else { return };
    if let Ok(address) = listener.local_addr() {
        println!("listening on http://{address}");
    }
    warp::serve(routes).incoming(listener).run().await;
}

async fn connected(socket: WebSocket, users: Users, publishes: bool) {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (mut to_user, mut from_user) = socket.split();
    let (sender, mut queue) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            if to_user.send(message).await.is_err() {
                return;
            }
        }
    });
    users.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
    while let Some(Ok(message)) = from_user.next().await {
        if publishes && message.is_text() {
            let users = users.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, other) in users.iter().filter(|(other, _)| **other != id) {
                let _ = other.send(message.clone());
            }
        }
    }
    users.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
}
