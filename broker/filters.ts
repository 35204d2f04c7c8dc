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
