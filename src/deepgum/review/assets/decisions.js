/* The decisions as the page knows them: those that the server holds, and those that are on their way to it.
 *
 *   const decisions = new DeepGUM.Decisions(audit, {changed(places), refused(item, words, current), state()});
 *
 * A decision holds on the page at once, and waits in a queue until the server has acknowledged it: in the order in which
 * they were made, for as long as it takes, also in another page of this browser if this one is closed. Each write has a key
 * of its own, so that the server stores it once even if its answer was lost. A write says which decision it saw at its
 * place; if another one holds there by now, the server refuses it, and `refused` tells the person.
 *
 * A place is a text, `placeOf(sample id, group name)`. An entry is {seq, sample, group, action, new, reason, who, at}.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const EVERY = 4000; // milliseconds between looks for what others decided
  const AGAIN = 1500; // and between attempts while the server is gone
  const PATIENCE = 20000;
  const GONE = "gone";
  const PREFIX = "deepgum-review:";

  const placeOf = (sample, group) => JSON.stringify([sample, group]);
  const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

  class Decisions {
    constructor(audit, hooks) {
      Object.assign(this, { audit, hooks, head: -1, undoable: null, redoable: null });
      this.held = new Map();
      this.queue = [];
      this.trouble = ""; // words while writes are waiting for something to change
      this.blocked = false; // whether only a person can change it
      this._shelf = `${PREFIX}${audit}:${newKey()}`;
      this._adopt();
    }

    /* What holds at a place for this page, or null; `waiting` is true while the server has not acknowledged it. */
    at(place) {
      const waiting = this.queue.findLast((item) => item.place === place);
      if (waiting) return { ...waiting.entry, waiting: true };
      return this.held.get(place) || null;
    }

    /* Decide: `entry` is {sample, group, action, new, suggested}. `new` is null, or with `suggested` only for show. */
    decide(entry) {
      const place = placeOf(entry.sample, entry.group);
      const before = this.queue.findLast((item) => item.place === place);
      const held = this.held.get(place);
      this.queue.push({
        key: newKey(), place, entry: { reason: "", ...entry },
        after: before ? before.key : null, expected: before || !held ? 0 : held.seq,
      });
      this._keep();
      this.hooks.changed([place]);
      this.send();
    }

    /* Take back a decision that holds, by default the last of all; returns the place, or null with words for the person. */
    async undo(entry) {
      const place = entry && placeOf(entry.sample, entry.group);
      const waiting = entry ? this.queue.findLast((item) => item.place === place) : this.queue.at(-1);
      if (waiting && this.trouble) {
        if (waiting.sent) return { words: "It may have been stored already. Undo it when the server is back." };
        this.queue.splice(this.queue.indexOf(waiting), 1);
        this._keep();
        this.hooks.changed([waiting.place]);
        return { place: waiting.place };
      }
      await this.send();
      return this._turn("undo", entry ? this.held.get(place) : this.undoable, "Nothing is left to undo.");
    }

    async redo() {
      await this.send();
      return this._turn("redo", this.redoable, "Nothing is left to redo.");
    }

    async _turn(which, target, nothing) {
      if (this.queue.length) return { words: "Decisions are waiting for the server. Try again when it is back." };
      if (!target) return { words: nothing };
      const answer = await this._ask(which, { audit: this.audit, seq: target.seq, key: newKey() });
      if (answer.status === 200) {
        this._take(answer.body);
        return { place: placeOf(answer.body.entry.sample, answer.body.entry.group) };
      }
      if (answer.status === 409) await this.load();
      return { words: answer.body.message };
    }

    /* Ask what holds, by whomever it was decided. */
    async load() {
      const known = this.head < 0 ? "" : `?since=${this.head}`;
      const answer = await this._ask(`decisions${known}`);
      if (answer.status !== 200) return this._stuck(answer);
      if (answer.body.audit !== this.audit) return this._stuck({ status: 410, body: { message: "The audit was made anew." } });
      if (!this.queue.length || this.blocked || this.trouble === GONE) {
        this._free();
        this.send();
      }
      const { decisions, head } = answer.body;
      if (decisions === null || head < this.head) return undefined;
      const before = this.held;
      this.held = new Map(decisions.map((entry) => [placeOf(entry.sample, entry.group), entry]));
      this._set(answer.body);
      const seq = (map, place) => (map.get(place) || { seq: 0 }).seq;
      const places = new Set([...before.keys(), ...this.held.keys()]);
      this.hooks.changed([...places].filter((place) => seq(before, place) !== seq(this.held, place)));
      return undefined;
    }

    /* Look again and again, while the page is seen. */
    watch() {
      setInterval(() => document.visibilityState === "visible" && !this._sending && this.load(), EVERY);
      document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.load());
    }

    /* Send what waits; resolved when nothing does, or when the server does not answer. */
    send() {
      if (!this._sending) this._sending = this._sendAll().finally(() => (this._sending = null));
      return this._sending;
    }

    async _sendAll() {
      clearTimeout(this._timer);
      while (this.queue.length) {
        const [item] = this.queue;
        const { sample, group, action, reason, suggested } = item.entry;
        item.sent = true;
        const answer = await this._ask("decisions", {
          audit: this.audit, sample, group, action, reason, suggested: Boolean(suggested),
          new: suggested ? null : item.entry.new || null, expected: item.expected, key: item.key,
        });
        if (answer.status === 200) {
          this._leave(item, answer.body.entry.seq);
          this._free();
          this._take(answer.body);
        } else if (answer.status === 409 || answer.status === 400 || answer.status === 413) {
          this._refuse(item, answer.body);
        } else {
          this._stuck(answer);
          if (!this.blocked) this._timer = setTimeout(() => this.send(), AGAIN);
          return;
        }
      }
    }

    _leave(item, seq) {
      this.queue.shift();
      for (const each of this.queue) {
        if (each.after === item.key) Object.assign(each, { after: null, expected: seq });
      }
      this._keep();
    }

    /* What was decided in view of a refused decision is refused with it. */
    _refuse(item, body) {
      const refused = [item];
      for (const each of this.queue) {
        if (refused.some((one) => one.key === each.after)) refused.push(each);
      }
      this.queue = this.queue.filter((each) => !refused.includes(each));
      this._keep();
      if ("current" in body) {
        if (body.current) this.held.set(item.place, body.current);
        else this.held.delete(item.place);
      }
      this.hooks.changed([item.place]);
      this.hooks.refused(refused.at(-1), body.message, body.current || null);
      this.head = -1; // there is more that this page has not seen
      this.load();
    }

    /* What a write was answered. */
    _take(body) {
      const place = placeOf(body.entry.sample, body.entry.group);
      if (body.current) this.held.set(place, body.current);
      else this.held.delete(place);
      const next = body.head === this.head + 1;
      const head = next ? body.head : this.head;
      this._set({ ...body, head });
      this.hooks.changed([place]);
      if (!next) this.load();
    }

    _set({ head, undo, redo }) {
      Object.assign(this, { head, undoable: undo, redoable: redo });
    }

    _stuck({ status, body }) {
      this.blocked = status === 403 || status === 410;
      this.trouble = status ? body.message : GONE;
      this.hooks.state();
    }

    _free() {
      if (!this.trouble) return;
      Object.assign(this, { trouble: "", blocked: false });
      this.hooks.state();
    }

    async _ask(path, body) {
      const write = body && {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Deepgum-Review": "1" },
        body: JSON.stringify(body),
      };
      try {
        const response = await fetch(path, { ...write, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
        return { status: response.status, body: await response.json() };
      } catch (error) {
        return { status: 0, body: { message: `The server does not answer (${error.message}).` } };
      }
    }

    /* ---- the queue outlives the page ---- */

    _keep() {
      try {
        if (this.queue.length) localStorage.setItem(this._shelf, JSON.stringify(this.queue));
        else localStorage.removeItem(this._shelf);
      } catch {
        // A browser may refuse to store; then the page asks before it is closed.
      }
      this.hooks.state();
    }

    /* Take over what pages before this one could not send. If one of them is still there it sends them, too: once is kept. */
    _adopt() {
      try {
        const shelves = Object.keys(localStorage).filter((name) => name.startsWith(`${PREFIX}${this.audit}:`));
        for (const shelf of shelves) {
          this.queue.push(...JSON.parse(localStorage.getItem(shelf)).map((item) => ({ ...item, sent: true })));
        }
        if (this.queue.length) localStorage.setItem(this._shelf, JSON.stringify(this.queue));
        shelves.forEach((shelf) => localStorage.removeItem(shelf));
      } catch {
        // Nothing is stored, or it cannot be read.
      }
    }
  }

  Object.assign(DeepGUM, { Decisions, placeOf });
})();
