/**
 * The window of messages that wait for their acknowledgement: at most `size` after the oldest one that is not
 * acknowledged. It bounds memory, keeps MQTT's 16-bit message ids from coming round to one that is still in use,
 * and a message that is never acknowledged stops the connection instead of being forgotten.
 */
export class InFlightWindow {
  readonly #size: number;
  readonly #acknowledged: Uint8Array;
  #oldest = 0;
  #next = 0;
  #count = 0;

  constructor(size: number) {
    this.#size = size;
    this.#acknowledged = new Uint8Array(size);
  }

  get isOpen(): boolean {
    return this.#next - this.#oldest < this.#size;
  }

  /** Messages that are not acknowledged. */
  get count(): number {
    return this.#count;
  }

  /** @returns the place in the window, by which the message is acknowledged */
  add(): number {
    const place = this.#next++;
    this.#acknowledged[place % this.#size] = 0;
    this.#count++;
    return place;
  }

  acknowledge(place: number): void {
    this.#acknowledged[place % this.#size] = 1;
    this.#count--;
    while (this.#oldest < this.#next && this.#acknowledged[this.#oldest % this.#size] === 1) this.#oldest++;
  }
}
