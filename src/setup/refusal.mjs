/** Why the preparation stopped, what to type about it, and what a failed program said. */
export class Refusal extends Error {
  /**
   * @param {string} message The cause, for people.
   * @param {string[]} commands Commands that would help, each a line of its own.
   * @param {string} [details] Last words of the program that failed.
   */
  constructor(message, commands, details = '') {
    super(message);
    this.name = 'Refusal';
    this.commands = commands;
    this.details = details;
  }

  /** All of it as it is printed. */
  text() {
    const details = this.details === '' ? '' : `\n\n${this.details.replace(/^/gm, '  | ')}`;
    const commands = this.commands.map((command) => `\n\n    ${command}`).join('');
    return `${this.message}${commands}${details}`;
  }
}
