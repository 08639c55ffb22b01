use tidings_shared::{
    domains::{catalogue, crm, staff, store},
    schema::DomainSchema,
};

use super::*;

fn columns() -> Vec<Column> {
    let column = |name: &str, declared: &str, holds, may_be_null| Column {
        name: name.to_owned(),
        declared: declared.to_owned(),
        may_be_null,
        holds,
    };
    vec![
        column("id", "BLOB", Holds::Bytes, false),
        column("Department_id", "TEXT", Holds::Texts, true),
        column("name", "TEXT", Holds::Texts, false),
        column("size", "INTEGER", Holds::Integers, false),
        column("weight", "REAL", Holds::Reals, false),
    ]
}

fn declared(flags: &str) -> Declaration {
    let arguments: Vec<String> = flags.split(' ').map(str::to_owned).collect();
    Declaration::parse(&arguments).unwrap()
}

fn planned(domain: &DomainSchema, flags: &str) -> Result<Plan, String> {
    plan(&declared(flags), domain, &columns())
}

#[test]
fn each_fault_of_a_declaration_is_named_with_its_remedy() {
    let staff = DomainSchema::of::<staff::Event>();
    for (flags, parts) in [
        ("t", ["name at least one event", "team_created"]),
        ("t --created=team_creatd", ["no event `team_creatd`", "do you mean `team_created`?"]),
        ("t --created=team_created", ["needs the field `uuid`", "--field uuid=COLUMN"]),
        ("t --created=team_created --field=uid=id", ["no field `uid`", "do you mean `uuid`?"]),
        ("t --created=team_created --field=uuid=idd", ["`t` has no column `idd`", "do you mean `id`?"]),
        ("t --created=team_created --field=uuid=size", ["`size` is INTEGER", "`uuid` takes UUIDs"]),
        ("t --created=team_created --field=uuid=weight", ["`weight` is REAL", "generated column"]),
        ("t --created=team_created --field=uuid=old.id", ["no value before the change", "write uuid=id"]),
        ("t --created=team_created --field=uuid=id --value=uuid=1", ["`uuid` is given twice", ""]),
        ("t --created=team_created --value=uuid=1", ["expected a UUID", "\"1\""]),
        ("t --created=team_created --field=uuid=id --tenant-column=og", ["no column `og`", ""]),
    ] {
        let reason = planned(&staff, flags).unwrap_err();
        assert!(parts.iter().all(|part| reason.contains(part)), "{flags}: {reason}");
    }
    let crm = DomainSchema::of::<crm::Event>();
    let reason = planned(&crm, "t --created=interaction_created --field=interaction_uuid=id").unwrap_err();
    assert!(reason.contains("does not contain its topics"), "{reason}");
}

#[test]
fn a_column_of_the_same_name_needs_no_flag_and_a_nullable_one_is_noted() {
    let mut columns = columns();
    columns[0].name = "uuid".to_owned();
    columns[1].name = "department_uuid".to_owned();
    columns[0].may_be_null = true;
    let staff = DomainSchema::of::<staff::Event>();
    let plan = plan(&declared("t --updated=team_updated"), &staff, &columns).unwrap();
    let names: Vec<_> = plan.events[0].members.iter().map(|member| member.name).collect();
    assert_eq!(names, ["uuid", "department_uuid"]);
    assert!(plan.notes.concat().contains("`uuid` may be NULL"), "{:?}", plan.notes);
}

#[test]
fn what_decides_the_topics_moves_a_row_unless_a_field_has_the_old_value() {
    let staff = DomainSchema::of::<staff::Event>();
    let flags = "t --updated=team_updated --field=uuid=id --field=department_uuid=department_id";
    let moved = |plan: Result<Plan, String>, domain: &DomainSchema| -> Vec<String> {
        plan.unwrap().moving(domain).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(moved(planned(&staff, flags), &staff), ["Department_id", "id"]);
    let both = format!("{flags} --field=previous_department_uuid=old.department_id");
    assert_eq!(moved(planned(&staff, &both), &staff), ["id"]);
    assert_eq!(moved(planned(&staff, &format!("{both} --tenant-column=name")), &staff), ["id", "name"]);

    let catalogue = DomainSchema::of::<catalogue::Event>();
    let flags = "t --updated=data_changed --value=kind=item --field=uuid=id --field=parent=department_id";
    let empty: [&str; 0] = [];
    assert_eq!(moved(planned(&catalogue, flags), &catalogue), empty, "its topic is always the same");
}

#[test]
fn a_number_may_be_a_text_and_any_value_a_record() {
    let store = DomainSchema::of::<store::Event>();
    let flags =
        "t --updated=upserted --deleted=deleted --value=schema=teams --field=key=size --field=record=name";
    let plan = planned(&store, flags).unwrap();
    let names = |event: &Event| event.members.iter().map(|member| member.name).collect::<Vec<_>>();
    assert_eq!(names(&plan.events[0]), ["schema", "key", "record"]);
    assert_eq!(names(&plan.events[1]), ["schema", "key"], "each event has its own fields");
}
