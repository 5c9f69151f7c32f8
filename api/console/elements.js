/**
 * Make an element. Strings among the children become text, never markup; a property that begins
 * with "on" listens, any other is an attribute, and null or false leaves it out.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Show a text that somebody else chose: kept together, and unable to turn what is around it. */
export function given(text) {
  return element("bdi", { class: "given" }, String(text));
}

/** List terms and what they mean; null leaves an entry out. */
export function terms(entries) {
  const list = element("dl", { class: "terms" });
  for (const [term, meaning] of entries) {
    if (meaning !== null) list.append(element("div", {}, element("dt", {}, term), said(meaning)));
  }
  return list;
}

function said(meaning) {
  return element("dd", {}, meaning instanceof Node ? meaning : given(meaning));
}

/** Set a text only where it differs, so that readers of screens are not told it again. */
export function setText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/** Tell readers of screens what has happened. */
export function announce(text) {
  document.getElementById("said").textContent = text;
}
