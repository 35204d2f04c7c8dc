/** Does a topic filter match a topic name (MQTT 3.1.1, 4.7)? */
export function filterMatches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const asked = filter.split('/');
  const levels = topic.split('/');
  for (let index = 0; index < asked.length; index++) {
    if (asked[index] === '#') return true;
    if (index === levels.length) return false;
    if (asked[index] !== '+' && asked[index] !== levels[index]) return false;
  }
  return asked.length === levels.length;
}

/** Is it a topic filter: not empty, with wildcards that are whole levels, `#` the last one (MQTT 3.1.1, 4.7.1-2, 4.7.1-3)? */
export function isFilter(text: string): boolean {
  const levels = text.split('/');
  const isLevel = (level: string, index: number) =>
    level === '+' || (level === '#' && index === levels.length - 1) || !/[+#]/.test(level);
  return text !== '' && levels.every(isLevel);
}
