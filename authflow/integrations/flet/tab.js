// Ahead of Flet's own scripts: tells a secret of this tab on each websocket, and shows it with the cookie that the
// browser has by now when the server asks (tabs.py). Flet's client sees nothing of either.
(() => {
  "use strict";
  const here = document.currentScript.src.replace(/\.js$/, "");
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  const secret = bytes.map((one) => one.toString(16).padStart(2, "0")).join("");

  async function show() {
    for (let wait = 500; wait <= 8000; wait *= 2) {
      try {
        const { status } = await fetch(here, { method: "POST", headers: { "X-Authflow-Tab": secret } });
        if (status === 204) return;
        if (status === 205) continue; // it has just been given another cookie, and shows that
      } catch {}
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      if (new URL(this.url).host !== location.host) return;
      this.addEventListener("open", () => this.send("authflow: this tab is " + secret));
      this.addEventListener("message", (event) => {
        if (event.data !== "authflow: which browser is this?") return;
        event.stopImmediatePropagation();
        show();
      });
    }
  };
})();
