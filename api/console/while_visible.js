/**
 * Run while somebody looks: `run` is called with a signal, which is given when the page is hidden
 * or `signal` is; and again when the page is seen again. Hidden pages hold no connection: browsers
 * open six to a host in all.
 */
export function whileVisible(signal, run) {
  let current = null;
  const follow = () => {
    if (document.hidden || signal.aborted) {
      current?.abort();
      current = null;
    } else if (current === null) {
      current = new AbortController();
      run(current.signal);
    }
  };
  document.addEventListener("visibilitychange", follow, { signal });
  signal.addEventListener("abort", follow);
  follow();
}

/** Wait; ends early, without an error, when the signal is given. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
