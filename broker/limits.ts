/** What a stranger, or a client with a fault, may ask of the broker. */
export const limits = {
  /** A whole MQTT packet. A batch of 500 positions of 120 bytes just fits. Beyond: the connection is closed. */
  maxPacketBytes: 65_536,
  /** Characters of a client id as sent. MQTT 3.1.1 lets a server choose; the longest in use are UUIDs with prefixes. */
  maxClientIdLength: 256,
  /** MQTT 3.1, section 3.1: 1 to 23 characters. */
  maxClientIdLength31: 23,
  /** Filters that one client may hold. A rider needs three, an operator's console a dozen. */
  maxSubscriptions: 200,
  /** ms from the TCP connection to a complete CONNECT. */
  connectTimeoutMs: 10_000,
  /** ms that checking a token may take: a JWKS server that is away must not hold connections open. */
  authenticationTimeoutMs: 8_000,
  /** ms that a reader may leave its socket full before it is dropped. */
  drainTimeoutMs: 10_000,
  /** Bytes waiting in a reader's socket from which on positions (QoS 0) are left out for it. */
  slowReaderBytes: 65_536,
  /** Bytes waiting in a reader's socket with which it is closed: some 20,000 statuses, which may not be left out. */
  frozenReaderBytes: 4_194_304,
  /**
   * QoS 2 publishes of one client that wait for their PUBREL. A client that sends its backlog in one go has hundreds on their way
   * before its first PUBREL, and can't be slowed down (what it is to send next comes after them): beyond, it is closed.
   */
  maxInflightQoS2: 1000,
  /**
   * Bytes of a WebSocket message, which is held until it is complete. It may hold many packets: browsers' clients put all that has
   * waited for the connection into one, and a backlog of some hours is a dozen batches.
   */
  maxFrameBytes: 1_048_576,
} as const;
