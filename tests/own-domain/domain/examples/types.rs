//! Prints the TypeScript of the domain.

use tidings_shared::schema::{DomainSchema, Home, typescript};

fn main() {
    print!("{}", typescript(&[DomainSchema::of::<helpdesk::Event>()], Home::User));
}
