import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { database } from "../queries.ts";
import { toast } from "../toasts.ts";
import { ActionButton } from "./buttons.tsx";

/** What another program may do to the table, and the SQL for it. None has a double quote: a shell takes it between two. */
const STATEMENTS = {
  "Change all": "UPDATE links SET votes = votes + 1",
  Add: "INSERT INTO links (title, url, tags) VALUES ('From a terminal', 'https://sqlite.org', json_array('shell'))",
  Replace: "REPLACE INTO links (id, title, url) VALUES (1, 'Replaced in a terminal', 'https://sqlite.org')",
  "Delete all": "DELETE FROM links",
};

/** Shows commands that write to the database without the server. */
export function Terminal() {
  const { data } = useQuery(database);
  const [chosen, choose] = useState<keyof typeof STATEMENTS>("Change all");
  const command = data && `sqlite3 ${quoted(data.file)} "${STATEMENTS[chosen]}"`;
  return (
    <section className="card terminal" aria-labelledby="terminal-title">
      <h2 id="terminal-title">Write from a terminal, without this server</h2>
      <p>
        No code of the demo announces a link. The store bridge hears of each committed change of the table. It
        does not matter which program writes. The events carry the records.
      </p>
      <fieldset className="choices">
        <legend className="hidden">What to do in the terminal</legend>
        {(Object.keys(STATEMENTS) as (keyof typeof STATEMENTS)[]).map((name) => (
          <label key={name}>
            <input type="radio" name="statement" checked={name === chosen} onChange={() => choose(name)} />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      {command && (
        <div className="command">
          <code data-testid="command">{command}</code>
          <ActionButton testid="copy" label="Copy the command" run={() => copy(command)}>
            Copy
          </ActionButton>
        </div>
      )}
    </section>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    throw new Error("The browser does not let this page copy. Select the command and copy it.");
  }
  toast("The command is copied. Run it in a terminal.");
}

/** A word of a shell's command. */
const quoted = (text: string) => (/^[\w/.+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
