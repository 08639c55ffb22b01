/** An error of the API, or of the connection to it. */
export class Problem extends Error {
  constructor(
    /** The status of the HTTP answer, or 0 if there was none. */
    readonly status: number,
    readonly code: string,
    detail: string,
    /** The member of the request's body that was refused. */
    readonly field?: string,
  ) {
    super(detail);
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 408 || this.status >= 500;
  }
}
