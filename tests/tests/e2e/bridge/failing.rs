//! A store that goes away, and comes back.

use tidings_tests::eventually;

use super::*;

#[test]
fn a_store_that_dies_a_hundred_times_leaves_no_view_behind() {
    let (embedded, store) = (Embedded::start(|_| {}), Store::default());
    let mut view = Mirror::new(&embedded, &store);
    let bridge = embedded.runtime.block_on(start(&embedded, &store));
    assert_eq!(view.read(), None);
    for death in 1..=100 {
        store.write(&format!("told{death}"), death);
        let callback = store.state().callback.take().unwrap();
        // Nobody is told of this one.
        store.write("untold", death);
        callback.failed(SourceError::Failed("the store is away".to_owned()));
        eventually("the bridge subscribes again", || store.state().callback.is_some());
        assert_eq!(view.read(), Some(format!("told{death}")));
        assert_eq!(view.read(), None);
        assert_eq!(view.links, store.state().links, "death {death}");
    }
    assert_eq!((view.syncs, gaps(&embedded), store.state().feeds), (101, 101, 101));
    embedded.runtime.block_on(bridge.stop());
    embedded.stop();
}
