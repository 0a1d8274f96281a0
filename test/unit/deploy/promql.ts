/** What may stand in an expression besides metrics, functions, labels and literals. */
const WORDS = new Set(["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"]);

/** The names of the metrics a PromQL expression, or Grafana's `label_values(metric, label)`, reads. */
export function metricsIn(expression: string): string[] {
  const bare = expression
    .replace(/"(?:[^"\\]|\\.)*"/g, "")
    .replace(/\{[^}]*\}/g, "")
    .replace(/\[[^\]]*\]/g, "")
    .replace(/^label_values\(\s*([\w:]+)[^)]*\)$/, "$1")
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "")
    .replace(/\boffset\s+\S+/g, "");
  return [...bare.matchAll(/(?<![\w.:])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])/g)].flatMap(
    ([, name = ""]) => (WORDS.has(name.toLowerCase()) ? [] : [name]),
  );
}
