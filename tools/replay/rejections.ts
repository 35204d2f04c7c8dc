type Report = { code?: unknown; topic?: unknown };

function parseReport(payload: string): Report {
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    // Whatever it is, it came on the topic for rejections, so it counts as one.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/**
 * The code of a report on an errors topic (SPEC section 5), `UNKNOWN` when it has none; undefined when it is about a
 * topic that is not ours: a user's errors topic also tells what the user's other clients did wrong.
 */
export function rejectionCode(payload: string, ownTopics: ReadonlySet<string>): string | undefined {
  const { code, topic } = parseReport(payload);
  if (typeof topic === 'string' && !ownTopics.has(topic)) return undefined;
  return typeof code === 'string' ? code : 'UNKNOWN';
}
