/** The first few are named, so that a file of another kind doesn't fill the screen. */
const NAMED = 5;

/** Rows of a file that hold no position: all counted, the first few with line number and reason. */
export class RowProblems {
  readonly #first: { line: number; reason: string }[] = [];
  #count = 0;

  /** In any order: what looks at lines runs ahead of what looks at values. */
  add(line: number, reason: string): void {
    this.#count++;
    if (this.#first.length === NAMED && line > (this.#first.at(-1)?.line ?? 0)) return;
    this.#first.push({ line, reason });
    this.#first.sort((a, b) => a.line - b.line);
    this.#first.length = Math.min(this.#first.length, NAMED);
  }

  /** Lines to print; none when there is no problem. */
  describe(): string[] {
    if (this.#count === 0) return [];
    const more = this.#count - this.#first.length;
    return [
      this.#count === 1
        ? '1 row holds no position and is left out:'
        : `${this.#count} rows hold no position and are left out:`,
      ...this.#first.map(({ line, reason }) => `  line ${line}: ${reason}`),
      ...(more > 0 ? [`  and ${more} more`] : []),
    ];
  }
}
