//! A domain that was read from data. `tidings_generate::data` writes it, and its docs say the format.

use super::{
    Type,
    check::{Json, expected},
};
use crate::{
    limits::{MAX_FINGERPRINT_BYTES, MAX_JSON_DEPTH, MAX_NAME_BYTES},
    topic::is_segment,
};

/// A domain as a browser knows it: its name, its fingerprint, and the fields of its events.
///
/// `K` and `N` are the forms in which it keeps the names of fields and of choices: those of the [`Json`] that it is read
/// from. The types of options and lists live as long as the program. A browser reads its domains once.
#[derive(Debug)]
pub struct Domain<K, N: 'static> {
    name: String,
    fingerprint: String,
    payloads: Vec<Payload<K, N>>,
}

/// A payload, and the events that have it.
#[derive(Debug)]
pub struct Payload<K, N: 'static> {
    events: Vec<String>,
    fields: Vec<Field<K, N>>,
}

impl<K, N> Payload<K, N> {
    /// Returns whether an object is this payload. `fits` says whether the member of this key has this type.
    /// [`Domain::check`] also says why not.
    pub fn fits(&self, fits: impl Fn(&K, &Type<N>) -> bool) -> bool {
        self.fields.iter().all(|field| fits(&field.key, &field.ty))
    }
}

#[derive(Debug)]
struct Field<K, N: 'static> {
    name: String,
    key: K,
    ty: Type<N>,
}

impl<K, N> Domain<K, N> {
    /// Reads a domain.
    ///
    /// # Errors
    /// A sentence that names the domain, the place at fault, and the remedy.
    pub fn read<J: Json<Key = K, Names = N>>(data: &J) -> Result<Self, String> {
        let text = |name: &str| data.member(&J::key(name)).to_text().unwrap_or_default();
        let (name, fingerprint) = (text("name"), text("fingerprint"));
        let mut reader = Reader::default();
        if name.len() > MAX_NAME_BYTES || !is_segment(&name) {
            reader.refuse("a domain", data);
        } else if fingerprint.is_empty() || fingerprint.len() > MAX_FINGERPRINT_BYTES {
            reader.refuse("a fingerprint", &data.member(&J::key("fingerprint")));
        }
        let payloads = reader.payloads(&data.member(&J::key("events")));
        match reader.fault {
            Some(fault) => Err(["the domain `", &name, "`: ", &fault, REMEDY].concat()),
            None => Ok(Self { name, fingerprint, payloads }),
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the fingerprint that its writer computed.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns its payloads, in the order of the data.
    pub fn payloads(&self) -> &[Payload<K, N>] {
        &self.payloads
    }

    /// Checks the payload of an event. Returns `false` if the domain does not have the event.
    ///
    /// # Errors
    /// A sentence about the fault in the payload.
    pub fn check<J: Json<Key = K, Names = N>>(&self, event: &str, payload: &J) -> Result<bool, String> {
        let has = |payload: &&Payload<K, N>| payload.events.iter().any(|name| name == event);
        let Some(Payload { fields, .. }) = self.payloads.iter().find(has) else { return Ok(false) };
        let fault = |what: &str| ["payload of ", event, ": ", what].concat();
        if !payload.is_object() {
            return Err(fault(&expected("an object", payload)));
        }
        for Field { name, key, ty } in fields {
            if let Err(found) = ty.check(&payload.member(key)) {
                return Err(fault(&found.of_field(name)));
            }
        }
        Ok(true)
    }
}

const REMEDY: &str = ". Generate its file again, with the version of the npm package.";

/// Reads data, with some value for wrong data, and keeps the first fault. An early return at each element would cost a
/// browser 2 KB of code.
#[derive(Default)]
struct Reader {
    /// The indices of the element that is read.
    path: Vec<u32>,
    fault: Option<String>,
}

impl Reader {
    #[cold]
    fn refuse<J: Json>(&mut self, what: &str, found: &J) {
        if self.fault.is_none() {
            let mut place = "`events".to_owned();
            for index in &self.path {
                place.push_str(&["[", &index.to_string(), "]"].concat());
            }
            let place = if self.path.is_empty() { "" } else { &[&place, "`: "].concat() };
            self.fault = Some([place, &expected(what, found)].concat());
        }
    }

    /// Reads each element of a list. It has `length` elements, if that is given.
    fn each<J: Json>(
        &mut self,
        list: &J,
        what: &str,
        length: Option<u32>,
        read: &mut dyn FnMut(&mut Self, u32, &J),
    ) {
        let count = list.list_length();
        if count.is_none() || length.is_some() && count != length {
            return self.refuse(what, list);
        }
        for index in 0..count.unwrap_or_default() {
            self.path.push(index);
            read(self, index, &list.element(index));
            self.path.pop();
        }
    }

    fn payloads<J: Json>(&mut self, data: &J) -> Vec<Payload<J::Key, J::Names>> {
        let mut payloads = Vec::new();
        self.each(data, "`events`, a list", None, &mut |reader, _, data| {
            let (mut events, mut fields) = (Vec::new(), Vec::new());
            reader.each(data, "names and fields", Some(2), &mut |reader, index, data| match index {
                0 => events = reader.texts(data),
                _ => reader.each(data, "a list of fields", None, &mut |reader, _, data| {
                    fields.push(reader.field(data));
                }),
            });
            payloads.push(Payload { events, fields });
        });
        payloads
    }

    fn field<J: Json>(&mut self, data: &J) -> Field<J::Key, J::Names> {
        let (mut name, mut ty) = (String::new(), Type::Any);
        self.each(data, "a name and a type", Some(2), &mut |reader, index, data| match index {
            0 => name = reader.text(data),
            _ => ty = reader.ty(data, MAX_JSON_DEPTH),
        });
        Field { key: J::key(&name), name, ty }
    }

    fn texts<J: Json>(&mut self, data: &J) -> Vec<String> {
        let mut texts = Vec::new();
        self.each(data, "a list of names", None, &mut |reader, _, data| texts.push(reader.text(data)));
        texts
    }

    fn text<J: Json>(&mut self, data: &J) -> String {
        data.to_text().unwrap_or_else(|| {
            self.refuse("a string", data);
            String::new()
        })
    }

    /// Reads a type. A payload is at most `depth` lists deep.
    fn ty<J: Json>(&mut self, data: &J, depth: usize) -> Type<J::Names> {
        let number = |index| data.element(index).as_number().filter(|number| number.trunc() == *number);
        let name = data.to_text().or_else(|| data.element(0).to_text()).unwrap_or_default();
        match (&*name, data.list_length(), number(1), number(2)) {
            ("uuid", None, ..) => Type::Uuid,
            ("string", None, ..) => Type::String,
            ("bool", None, ..) => Type::Bool,
            ("number", None, ..) => Type::Number,
            ("float32", None, ..) => Type::Float32,
            ("any", None, ..) => Type::Any,
            ("segment", Some(2), Some(max), _) => Type::Segment { max: max as usize },
            ("integer", Some(3), Some(min), Some(max)) => Type::Integer { min: min as i64, max: max as i64 },
            ("choice", Some(2), ..) => {
                self.path.push(1);
                let names = self.texts(&data.element(1));
                self.path.pop();
                Type::Choice { names: J::names(names), is_open: false }
            }
            (kind @ ("option" | "list"), Some(2), ..) if depth > 1 => {
                self.path.push(1);
                let inner = Box::leak(Box::new(self.ty(&data.element(1), depth - 1)));
                self.path.pop();
                if kind == "list" { Type::List(inner) } else { Type::Option(inner) }
            }
            _ => {
                self.refuse("a type such as \"uuid\" or [\"segment\",64]", data);
                Type::Any
            }
        }
    }
}

#[cfg(test)]
mod tests;
