const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Returns whether a part of an address can name a record. Users may type anything into the address. */
export const isUuid = (text: string | undefined): text is string => text !== undefined && UUID.test(text);
