import { element } from "./elements.js";

/** Ask before something that cannot be taken back; Escape is a no. */
export function confirmed(question, consequence, yes, no) {
  const dialog = element(
    "dialog",
    { "aria-labelledby": "question", "aria-describedby": "consequence" },
    element("h2", { id: "question" }, question),
    element("p", { id: "consequence" }, consequence),
    element(
      "form",
      { method: "dialog", class: "actions" },
      element("button", { value: "no", autofocus: true }, no),
      element("button", { value: "yes", class: "grave" }, yes),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
