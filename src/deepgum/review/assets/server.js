/* Requests to the server that served this page, and to no other program.
 *
 *   const response = await DeepGUM.ask("decisions", options);
 *
 * While the server is stopped, another program can listen on its port. So each request has two steps. The first one
 * holds nothing secret and asks for a proof; only a server that knows the token of this page can give it. The second
 * one is the request itself, and its answer needs a proof too. If a proof is missing, this page never sends anything
 * again, and `ask` throws a `DeepGUM.AnotherServer`.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const PATIENCE = 20000; // milliseconds for the proof
  const HMAC = { name: "HMAC", hash: "SHA-256" };
  const bytes = (text) => new TextEncoder().encode(text);
  const hex = (data) => Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const [, token] = location.pathname.split("/");
  let stopped = false;

  class AnotherServer extends Error {
    constructor() {
      super(
        "Another server answers at this address: the review was started again, or another program uses the port. Nothing is "
        + "sent to it. Open the address that deepgum review printed when it was started again; if that address has another "
        + `port, stop that review and start it with --port ${location.port || 80}.`,
      );
    }
  }

  async function prove(path, options) {
    const challenge = hex(crypto.getRandomValues(new Uint8Array(16)));
    const response = await fetch(path, {
      ...options, headers: { ...options.headers, "X-Deepgum-Challenge": challenge }, cache: "no-store", redirect: "error",
    });
    const key = await crypto.subtle.importKey("raw", bytes(token), HMAC, false, ["sign"]);
    const proof = hex(await crypto.subtle.sign("HMAC", key, bytes(`deepgum-review ${challenge}`)));
    if (response.headers.get("X-Deepgum-Proof") !== proof) {
      stopped = true;
      throw new AnotherServer();
    }
    return response;
  }

  /* Like `fetch`, for a path relative to the page. */
  async function ask(path, options = {}) {
    if (stopped) throw new AnotherServer();
    await prove("/proof", { signal: AbortSignal.timeout(PATIENCE) });
    if (stopped) throw new AnotherServer();
    return prove(path, options);
  }

  Object.assign(DeepGUM, { AnotherServer, ask });
})();
