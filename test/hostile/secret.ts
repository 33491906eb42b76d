/** What the nodes of these tests share. */
export const SECRET = 'a secret of the hostile tests, 32 bytes and more';
