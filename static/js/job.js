// Keeps the slots and totals of running jobs up to date. The server sends HTML; idiomorph puts it in place, so
// that focus and scroll stay. Where there is no event stream, the page is fetched again every few seconds.
(() => {
  const SECOND = 1000;
  const POLL = 2.5 * SECOND;
  const VOICE = 5 * SECOND;
  const TRIES = 3;

  const root = document.querySelector("[data-events]");
  const going = new Set(root ? new URL(root.dataset.events, location).searchParams.getAll("job") : []);
  let since = root?.dataset.since ?? "";
  let source = null;
  let polling = 0;
  let failures = 0;

  // ---- putting in place ----

  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium", hourCycle: "h23" });
  const showClocks = (within) => {
    for (const time of within.querySelectorAll("time[data-clock]")) time.textContent = clock.format(new Date(time.dateTime));
  };

  const put = (fresh) => {
    const old = fresh.id && document.getElementById(fresh.id);
    if (!old) return;
    showClocks(fresh);
    Idiomorph.morph(old, fresh, {
      morphStyle: "outerHTML",
      // A time that is shown in the reader's zone stays as it is.
      callbacks: { beforeNodeMorphed: (node, next) => !(node.matches?.("time[data-local]") && node.dateTime === next.dateTime) },
    });
    if (fresh.dataset.voice) say(fresh.dataset.voice);
  };

  const parse = (html) => new DOMParser().parseFromString(html, "text/html");

  // ---- one polite status: totals only, at most one message in five seconds ----

  const status = document.getElementById("status");
  let said = "";
  let next = "";
  let timer = 0;

  const say = (text) => {
    next = text;
    if (timer || text === said) return;
    status.textContent = said = next;
    timer = setTimeout(() => {
      timer = 0;
      say(next);
    }, VOICE);
  };
  // What the page already shows when it opens need not be said.
  said = document.querySelector("[data-voice]")?.dataset.voice ?? "";

  // ---- the event stream ----

  const follow = () => {
    if (source || polling || !going.size || document.hidden) return;
    if (!window.EventSource) return poll();
    const address = new URL(root.dataset.events, location);
    if (since) address.searchParams.set("since", since);
    source = new EventSource(address);
    source.addEventListener("open", () => { failures = 0; });
    source.addEventListener("slot", (event) => {
      const { html } = read(event);
      put(parse(html).body.firstElementChild);
    });
    source.addEventListener("summary", (event) => {
      const { html } = read(event);
      for (const part of [...parse(html).body.children]) put(part);
    });
    source.addEventListener("done", (event) => {
      going.delete(read(event).job);
      if (!going.size) leave();
    });
    source.addEventListener("error", () => {
      failures += 1;
      // The browser comes back by itself, unless the server refused or nothing answers for long.
      if (source.readyState !== EventSource.CLOSED && failures < TRIES) return;
      leave();
      poll();
    });
  };

  const read = (event) => {
    since = event.lastEventId || since;
    return JSON.parse(event.data);
  };

  const leave = () => {
    source?.close();
    source = null;
    clearTimeout(polling);
    polling = 0;
  };

  // ---- without it ----

  const poll = () => {
    polling = setTimeout(async () => {
      const goesOn = await fetchPage().catch(() => true);
      polling = 0;
      if (goesOn && !document.hidden) poll();
    }, POLL);
  };

  // False where there is nothing more to wait for: all has ended, or the person is signed out.
  const fetchPage = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected || answer.status === 404) return false;
    if (!answer.ok) return true;
    const page = parse(await answer.text());
    for (const part of page.querySelectorAll("[data-live]")) put(part);
    return page.querySelector("[data-events]") !== null;
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", follow);

  // ---- seconds that pass ----

  // Counted from what the server said when the time came in: its clock and this machine's need not agree.
  const counted = new WeakMap();
  const passed = (time) => {
    const moment = time.dataset.since ?? time.dataset.until;
    if (counted.get(time)?.moment !== moment) {
      counted.set(time, { moment, from: Number(time.dataset.seconds), at: performance.now() });
    }
    const { from, at } = counted.get(time);
    return { from, seconds: (performance.now() - at) / SECOND };
  };

  const inWords = (seconds) => (seconds < 90 ? `${Math.max(1, Math.floor(seconds))} s` : `${Math.round(seconds / 60)} min`);

  const tick = () => {
    for (const time of document.querySelectorAll("time[data-since]")) {
      const { from, seconds } = passed(time);
      time.textContent = `${Math.floor(from + seconds)} s`;
    }
    for (const time of document.querySelectorAll("time[data-until]")) {
      const { from, seconds } = passed(time);
      time.textContent = from > seconds ? `about ${inWords(from - seconds)}` : "any moment now";
    }
  };

  showClocks(document);
  tick();
  setInterval(tick, SECOND);
  follow();
})();
