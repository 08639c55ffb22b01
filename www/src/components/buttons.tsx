import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";

interface ActionProps {
  /** The text of the button. */
  children: ReactNode;
  /** Called at a click. If it throws, a toast says why. */
  run: () => Promise<unknown>;
  /** A name for screen readers, where the text alone does not say what the action is about. */
  label?: string;
  className?: string;
  testid?: string;
}

/** A button that runs an action, once at a time. It keeps the focus meanwhile, unlike a `disabled` button. */
export function ActionButton({
  children,
  run,
  label,
  className = "quiet small",
  testid,
  isDisabled = false,
}: ActionProps & { isDisabled?: boolean }) {
  const action = useMutation({ mutationFn: run });
  const isIdle = !isDisabled && !action.isPending;
  return (
    <button
      type="button"
      className={className}
      aria-label={label}
      aria-disabled={!isIdle}
      data-testid={testid}
      onClick={() => isIdle && action.mutate()}
    >
      {children}
    </button>
  );
}

/** A button whose action cannot be undone. It asks first. */
export function ConfirmButton({
  question,
  children,
  run,
  label,
  className = "quiet small danger",
  testid,
}: ActionProps & { question: string }) {
  const [isAsking, ask] = useState(false);
  const action = useMutation({ mutationFn: run });
  return (
    <>
      <button
        type="button"
        className={className}
        aria-label={label}
        data-testid={testid}
        onClick={() => ask(true)}
      >
        {children}
      </button>
      {isAsking && (
        <Question
          text={question}
          action={children}
          onAnswer={(isYes) => {
            ask(false);
            if (isYes) action.mutate();
          }}
        />
      )}
    </>
  );
}

interface QuestionProps {
  text: string;
  action: ReactNode;
  onAnswer: (isYes: boolean) => void;
}

function Question({ text, action, onAnswer }: QuestionProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-label={text}
      data-testid="confirm"
      onClose={({ currentTarget }) => onAnswer(currentTarget.returnValue === "yes")}
    >
      <form method="dialog">
        <p>{text}</p>
        <div className="actions">
          <button type="submit" value="no" className="quiet">
            Cancel
          </button>
          <button type="submit" value="yes" className="danger" data-testid="confirm-yes">
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
