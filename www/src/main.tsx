import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { TidingsProvider } from "tidings/react";
import { App } from "./app.tsx";
import { client, queryClient } from "./tidings.ts";

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <TidingsProvider client={client}>
      <QueryClientProvider client={queryClient}>
        <App />
      </QueryClientProvider>
    </TidingsProvider>
  </StrictMode>,
);
