/** What `sub` may be (SPEC section 4), and so every id in a topic or path: nothing that means something there. */
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** A UUID as PostgreSQL writes it, and so the id of a trip: topics tell upper from lower case. */
export const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
