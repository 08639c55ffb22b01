import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { People } from "./People";
import { queryClient } from "./queries";

const root = document.getElementById("root");

if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <People />
      </QueryClientProvider>
    </StrictMode>,
  );
