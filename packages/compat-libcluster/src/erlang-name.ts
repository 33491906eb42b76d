/** `name@host` → host. */
export function hostOf(node: string): string {
  return node.slice(node.lastIndexOf('@') + 1);
}

/** `10.0.0.1:4370`, `[fd00::1]:4370`. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
