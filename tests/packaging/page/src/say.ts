/** The server of the test. */
export const url = `${new URLSearchParams(location.search).get("server")}/v1/ws`;

/** Shows a text, after what was there. The test waits for "ready", publishes, and waits for its event. */
export function say(text: string): void {
  const place = document.querySelector("#said");
  if (place) place.textContent += `${text} `;
}
