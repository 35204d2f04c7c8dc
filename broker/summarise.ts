import type { ErrorCode, Refusal } from '../shared/errors.ts';

/** What was refused of a batch. One report a code, not one a position: a batch can hold 500. */
export function summarise(
  rejected: readonly { index: number; code: ErrorCode; message: string }[],
): Refusal[] {
  const byCode = new Map<ErrorCode, { index: number; message: string }[]>();
  for (const { code, ...rest } of rejected) byCode.set(code, [...(byCode.get(code) ?? []), rest]);
  return [...byCode].map(([code, items]) => {
    const shown = items.slice(0, 3).map(({ index, message }) => `position ${index}: ${message}`);
    const more = items.length > shown.length ? `; and ${items.length - shown.length} more` : '';
    return { code, message: shown.join('; ') + more };
  });
}
