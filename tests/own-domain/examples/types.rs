//! Prints the TypeScript of the domain.

use tidings_generate::{DomainSchema, Home, typescript};

fn main() {
    print!("{}", typescript(&[DomainSchema::of::<helpdesk::Event>()], Home::User));
}
