// A component of the server: it names the topic, and renders the component of the page.
import { topic } from "tidings";
import { Said } from "./said";

export default function Page() {
  return (
    <main>
      <h1>{topic.staff.people}</h1>
      <Said />
    </main>
  );
}
