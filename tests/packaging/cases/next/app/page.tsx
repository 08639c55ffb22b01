// A component of the server: it names the topic, and renders the component of the page.
import { staff } from "tidings/domains";
import { Said } from "./said";

export default function Page() {
  return (
    <main>
      <h1>{staff.topics.people}</h1>
      <Said />
    </main>
  );
}
