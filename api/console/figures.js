const NUMBER = new Intl.NumberFormat("en");
const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Write a whole number. */
export function whole(value) {
  return NUMBER.format(Math.round(value));
}

/** Write a number of things, in the singular where it is one. */
export function counted(count, noun) {
  return `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Write a number of bytes in the unit that fits. */
export function sized(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole(value) : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

/** Write a time in the reader's own zone; null is null. */
export function moment(text) {
  return text === null ? null : MOMENT.format(new Date(text));
}
