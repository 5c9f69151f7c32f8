const MIB = 1024 * 1024;
const CHOICES = ["compression", "consistency", "retain", "on_unrepresentable"];
const NUMBERS = ["ttl_seconds", "parallelism"];

/** Give the request that a filled form means; what is left empty is left out. */
export function bodyOf(form) {
  const columns = lines(form.columns);
  const source = {
    connection: form.connection.value,
    [form.reads.value]: form.what.value.trim(),
    ...(columns.length > 0 && { columns }),
  };
  const labels = Object.fromEntries(lines(form.labels).map(labelOf));
  const name = form.elements.namedItem("name").value.trim();
  return { source, labels, options: optionsOf(form), ...(name !== "" && { name }) };
}

function optionsOf(form) {
  const options = Object.fromEntries(CHOICES.map((name) => [name, form[name].value]));
  for (const name of NUMBERS) {
    if (form[name].value !== "") options[name] = Number(form[name].value);
  }
  const target = form.chunk_target_mib.value;
  if (target !== "") options.chunk_target_bytes = Number(target) * MIB;
  const consumers = lines(form.consumers);
  if (consumers.length > 0) options.consumers = consumers;
  return options;
}

function labelOf(line) {
  const [name, ...value] = line.split(":");
  return [name.trim(), value.join(":").trim()];
}

function lines(area) {
  return area.value.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
