/** One error class for each cause. */

/** The output's name is none of the allowed ones. */
export class OutputNameError extends Error {
  override name = 'OutputNameError';
}

/** A slot or setting that playback cannot take. */
export class PlaybackInputError extends Error {
  override name = 'PlaybackInputError';
}

/** The player's program is not installed. */
export class PlayerMissingError extends Error {
  override name = 'PlayerMissingError';
}

/** The player runs but cannot open its output. */
export class OutputUnavailableError extends Error {
  override name = 'OutputUnavailableError';
}

/** The player does not answer, or answered with an error. */
export class PlayerProtocolError extends Error {
  override name = 'PlayerProtocolError';
}
