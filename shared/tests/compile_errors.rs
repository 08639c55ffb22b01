//! What goes wrong in a declaration is said where it stands, in words that help. `TRYBUILD=overwrite` takes what the
//! compiler says now.

#[test]
fn a_wrong_declaration_is_a_compile_error_that_teaches() {
    trybuild::TestCases::new().compile_fail("tests/compile_errors/*.rs");
}
