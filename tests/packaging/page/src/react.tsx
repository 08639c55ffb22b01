// A page of React, with a view of the data and its provider.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "tidings";
import { type StaffEvent, staff } from "tidings/domains";
import { TidingsProvider, useStatus, useWatch } from "tidings/react";
import { url } from "./say.js";

/** The data of the application's server. */
let people = "ready";

function concerns(event: StaffEvent): boolean {
  if (event.event === "person_updated") people += ` ${event.payload.uuid}`;
  return true;
}

function People() {
  const { data } = useWatch(staff.topics.people, { key: "people", load: async () => people, concerns });
  return useStatus() === "open" && data;
}

const place = document.querySelector("#said");
if (!place) throw new Error("the page has no place");
createRoot(place).render(
  <StrictMode>
    <TidingsProvider client={createClient({ url, domains: [staff] })}>
      <People />
    </TidingsProvider>
  </StrictMode>,
);
