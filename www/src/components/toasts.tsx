import { useToasts } from "../toasts.ts";

export function Toasts() {
  const toasts = useToasts();
  return (
    <div className="toasts" role="status" data-testid="toasts">
      {toasts.map(({ id, text, kind }) => (
        <p key={id} className={`toast ${kind}`}>
          {text}
        </p>
      ))}
    </div>
  );
}
