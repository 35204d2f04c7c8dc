/** What must not happen, and what it is called in the report. */
export const problemKinds = {
  positionLost: 'acknowledged positions that are not in the history',
  positionDoubled: 'positions that are in the history more than once',
  positionUnknown: 'positions in the history that were never sent',
  positionUnacknowledged: 'positions sent, but never acknowledged',
  positionRefused: 'positions that the platform refused',
  liveMissing: 'acknowledged positions of a trip that never came to its rider',
  liveDoubled: 'positions that came to the rider more than once',
  liveDisordered: 'positions that came to the rider after a newer one',
  statusMissing: 'status versions of a trip that its rider did not see in their order',
  statusWrong: 'status messages that contradict one another',
  leak: 'messages that the receiver should not have been sent',
  tripWrong: 'trips that REST shows otherwise than their rider saw them',
  assignmentLost: 'trips whose driver was never told of them',
  transitionRefused: 'trip transitions that the platform refused',
  requestFailed: 'REST requests that failed',
  messageMalformed: 'messages that are not what the contract says',
} as const;

export type ProblemKind = keyof typeof problemKinds;

/** So many of a kind are told in words. */
const TOLD = 5;

type Found = { count: number; told: string[] };

export class Problems {
  readonly #found = new Map<ProblemKind, Found>();

  add(kind: ProblemKind, text: string, count = 1): void {
    const found = this.#found.get(kind) ?? { count: 0, told: [] };
    found.count += count;
    if (found.told.length < TOLD) found.told.push(text);
    this.#found.set(kind, found);
  }

  count(kind: ProblemKind): number {
    return this.#found.get(kind)?.count ?? 0;
  }

  get isEmpty(): boolean {
    return this.#found.size === 0;
  }

  /** In the order of the kinds. */
  *[Symbol.iterator](): Generator<{ kind: ProblemKind; count: number; told: readonly string[] }> {
    for (const kind of Object.keys(problemKinds) as ProblemKind[]) {
      const found = this.#found.get(kind);
      if (found !== undefined) yield { kind, ...found };
    }
  }
}
