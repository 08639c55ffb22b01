import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "tidings";
import { staff } from "tidings/domains";
import { TidingsProvider } from "tidings/react";
import { People } from "./People";

const client = createClient({ domains: [staff] });
const root = document.getElementById("root");

if (root)
  createRoot(root).render(
    <StrictMode>
      <TidingsProvider client={client}>
        <People />
      </TidingsProvider>
    </StrictMode>,
  );
