import { announce } from "./elements.js";

const KEPT = "staging.identity";
let identity = { organisation: "1", user: "" };

/** Give the headers that say who asks; a user's name is sent as UTF-8, byte for byte. */
export function identityHeaders() {
  const headers = { "X-Org-ID": identity.organisation };
  if (identity.user !== "") {
    headers["X-User-ID"] = String.fromCharCode(...new TextEncoder().encode(identity.user));
  }
  return headers;
}

/** Let the header's form show and change who asks; `changed` is called when it did. */
export function installIdentity(changed) {
  const form = document.getElementById("identity");
  identity = { ...identity, ...remembered() };
  form.organisation.value = identity.organisation;
  form.user.value = identity.user;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    identity = { organisation: form.organisation.value, user: form.user.value.trim() };
    remember(identity);
    announce(`Organisation ${identity.organisation}`);
    changed();
  });
}

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return typeof kept?.organisation === "string" && typeof kept.user === "string" ? kept : {};
  } catch {
    return {}; // a browser may keep nothing: then it is asked each time
  }
}

function remember(chosen) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(chosen));
  } catch {
    // as above
  }
}
