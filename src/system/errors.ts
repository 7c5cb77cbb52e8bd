/** /proc or /sys is not there: this is no Linux, or they are hidden from this process. */
export class NoProcError extends Error {
  override readonly name = 'NoProcError';
  constructor(path: string, cause: string) {
    super(
      `Cannot read ${path} (${cause}). Mounted sticks are found on Linux alone; name a music folder with --music DIR.`,
    );
  }
}
