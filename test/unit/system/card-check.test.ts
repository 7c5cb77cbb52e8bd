import { describe, expect, it } from 'vitest';
import { answerText } from '../../../src/system/card/answer.ts';
import { countryOf } from '../../../src/system/card/countries.ts';
import { parseCard, TAKEN, withoutValues } from '../../../src/system/card/parse.ts';
import { checkSshKey } from '../../../src/system/card/ssh-key.ts';
import { decodeCard, encodeCard } from '../../../src/system/card/text.ts';
import { ECDSA, ED25519, plan, RSA_1024, TEMPLATE } from './card-knowledge.ts';

const KEY = '0123456789abcdef'.repeat(4);
const hexOf = (text: string) => Buffer.from(text).toString('hex');
const problems = (file: string, kept: readonly string[] = []) =>
  plan(file, kept).findings.filter(({ level }) => level === 'problem');

describe('the bytes of starling.txt', () => {
  const text = 'wifi = Küche 🎵\r\nname = 台所\r\n';
  const utf16 = Buffer.from(text, 'utf16le');
  const swapped = Buffer.from(utf16).swap16();
  const forms: [string, Uint8Array][] = [
    ['UTF-8', Buffer.from(text)],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${text}`)],
    ['UTF-16 with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
    ['UTF-16, other order, with a mark', Buffer.concat([Buffer.from([0xfe, 0xff]), swapped])],
  ];
  it.each(forms)('are understood as %s', (_, bytes) => {
    expect(decodeCard(bytes)).toEqual({ text, isGuessed: false });
  });

  it('are understood as UTF-16 without a mark', () => {
    const plain = 'wifi = Kitchen\r\ncountry = DE\r\n';
    expect(decodeCard(Buffer.from(plain, 'utf16le')).text).toBe(plain);
    expect(decodeCard(Buffer.from(plain, 'utf16le').swap16()).text).toBe(plain);
  });

  it('that are no Unicode are read as of western Windows, and it is told', () => {
    expect(decodeCard(Buffer.from('wifi = Küche', 'latin1'))).toEqual({ text: 'wifi = Küche', isGuessed: true });
  });

  it('are marked when written back with letters that need it', () => {
    expect(encodeCard('wifi = x')).toEqual(new TextEncoder().encode('wifi = x'));
    expect(decodeCard(encodeCard(text))).toEqual({ text, isGuessed: false });
    expect([...encodeCard('ü').subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
  });
});

describe('a line', () => {
  const forms = [
    'wifi = My home',
    'wifi=My home',
    'wifi: My home',
    '  WIFI  =  My home  ',
    'Wi-Fi = My home',
    'Wifi name : My home',
    'SSID = "My home"',
    'ssid = “My home”',
    'ssid = „My home“',
    'wlan = «My home»',
    'ｗｉｆｉ＝My home',
    'wifi：　My home　',
    '\u200bwifi = My home\u00a0',
  ];
  it.each(forms)('is understood as %j', (line) => {
    expect(plan(line).wifi).toMatchObject({ ssid: 'My home', password: null });
    expect(problems(line)).toEqual([]);
  });

  it('keeps what stands behind its first separator', () => {
    expect(plan('output = alsa:hw:0').settings).toEqual({ output: 'alsa:hw:0' });
    expect(plan('wifi: a=b:c # d').wifi?.ssid).toBe('a=b:c # d');
  });

  it.each(['', '   ', '\t', '# wifi', '#', '; only a remark', '// note', '＃ メモ'])('sets nothing as %j', (line) => {
    expect(plan(line)).toMatchObject({ good: [], findings: [] });
  });

  it('is told to be a comment where it looks meant', () => {
    const { findings, good } = plan('# wifi = Nobody reads me');
    expect(good).toEqual([]);
    expect(findings).toMatchObject([{ line: 1, level: 'note', text: expect.stringContaining('take the # away') }]);
  });

  it('may end in any way', () => {
    for (const end of ['\n', '\r\n', '\r'])
      expect(plan(['name = a', '', 'volume = 5'].join(end)).good.map(({ line }) => line)).toEqual([1, 3]);
  });
});

describe('the template', () => {
  it('sets nothing and is no mistake', () => {
    expect(plan(TEMPLATE)).toMatchObject({ good: [], findings: [], wifi: null, settings: {} });
    expect(TEMPLATE.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(Math.max(...TEMPLATE.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('has an example for every key, and all but the shortened SSH key are good', () => {
    const examples = [...TEMPLATE.matchAll(/^# (\w+) = .*$/gm)].map(([line]) => line.slice(2));
    const { good, findings } = plan(examples.join('\n'));
    const keys = [
      'wifi',
      'wifi_password',
      'country',
      'hidden',
      'name',
      'station',
      'station_key',
      'output',
      'volume',
      'let_in',
    ];
    expect(good.map(({ key }) => key)).toEqual(keys);
    expect(findings).toMatchObject([{ key: 'ssh_key', level: 'problem' }]);
  });
});

describe('Wi-Fi', () => {
  it('is a network with password, hidden or not', () => {
    const file = 'wifi = Büro\nwifi_password = geheim & lang\nhidden = ja\ncountry = de';
    expect(plan(file)).toMatchObject({
      wifi: { ssid: 'Büro', ssidHex: hexOf('Büro'), password: 'geheim & lang', hidden: true },
      country: 'DE',
      secrets: [{ line: 2, step: 'wifi' }],
      findings: [],
    });
  });

  it('has a name of one form, whatever the editor made of its accents', () => {
    expect(plan('wifi = Bu\u0308ro').wifi?.ssidHex).toBe(hexOf('Büro'));
    expect(plan('wifi = 我が家の無線').wifi?.ssid).toBe('我が家の無線');
  });

  it('has a password with spaces at its ends in quotes', () => {
    expect(plan('wifi = a\npassword = " spaced "').wifi?.password).toBe(' spaced ');
  });

  it('takes plain quotes for curly ones in a password, and leaves those of a name', () => {
    const { wifi, findings } = plan('wifi = Ann’s\npassword = it’s “long”');
    expect(wifi).toMatchObject({ ssid: 'Ann’s', password: 'it\'s "long"' });
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([]);
    expect(findings.map(({ line, text }) => [line, /curly/.test(text)])).toContainEqual([2, true]);
  });

  const bad: [string, string, number[]][] = [
    ['a short password', 'wifi = a\npassword = short', [1, 2]],
    ['a long password', `wifi = a\npassword = ${'x'.repeat(64)}`, [1, 2]],
    ['a long name', `wifi = ${'x'.repeat(33)}\npassword = good enough`, [1, 2]],
    ['a long name in Japanese', `wifi = ${'家'.repeat(11)}`, [1]],
    ['an unseen sign', 'wifi = a\u0007b', [1]],
    ['a password alone', 'password = good enough', [1]],
    ['hidden alone', 'hidden = yes', [1]],
    ['nothing behind the sign', 'wifi =\ncountry =', [1, 2]],
  ];
  it.each(bad)('is refused with %s', (_, file, lines) => {
    expect(plan(file).wifi).toBeNull();
    expect(problems(file).map(({ line }) => line)).toEqual(lines);
    expect(plan(file).secrets).toEqual([]);
  });

  it('is applied where only hidden is wrong', () => {
    const file = 'wifi = a\npassword = good enough\nhidden = maybe';
    expect(plan(file).wifi).toMatchObject({ hidden: false, password: 'good enough' });
    expect(problems(file)).toMatchObject([{ line: 3, allowed: 'yes or no', value: 'maybe' }]);
  });

  it('is as it was where the box has it, but for whether it is hidden', () => {
    const visibility = (hidden: string) => plan(`wifi = a\n${hidden}`, [hexOf('a')]).visibility;
    expect(visibility('hidden = yes')).toEqual({ ssidHex: hexOf('a'), hidden: true });
    expect(visibility('hidden = no')).toEqual({ ssidHex: hexOf('a'), hidden: false });
    expect([visibility('hidden = maybe'), visibility('')]).toEqual([null, null]);
  });

  it('lets a phone in once: the line is taken out, and means nothing afterwards', () => {
    expect(plan('let_in = yes')).toMatchObject({ letIn: true, secrets: [{ line: 1, step: 'let_in' }] });
    expect(plan('let_in = no')).toMatchObject({ letIn: false, secrets: [] });
    expect(plan(`let_in = ${TAKEN}`)).toMatchObject({ letIn: false, secrets: [], good: [] });
    expect(problems(`let_in = ${TAKEN}`)).toEqual([]);
    expect(problems('let_in = perhaps')).toMatchObject([{ line: 1, allowed: 'yes or no' }]);
  });

  it('stays as it is where its password was taken before', () => {
    const file = `wifi = a\nwifi_password = ${TAKEN}`;
    expect(plan(file, [hexOf('a')])).toMatchObject({ wifi: null, secrets: [] });
    expect(problems(file, [hexOf('a')])).toEqual([]);
    expect(problems(file).map(({ line }) => line)).toEqual([1, 2]);
  });

  it('is open without a password, and says so', () => {
    const { wifi, findings } = plan('wifi = Café\ncountry = FR');
    expect(wifi).toMatchObject({ password: null });
    expect(findings).toMatchObject([{ line: 1, level: 'note', text: expect.stringContaining('open') }]);
  });
});

describe('a country', () => {
  const good: [string, string][] = [
    ['DE', 'DE'],
    ['gb', 'GB'],
    ['ｊｐ', 'JP'],
    ['Deutschland', 'DE'],
    ['germany', 'DE'],
    ['España', 'ES'],
    ['espana', 'ES'],
    ['日本', 'JP'],
    ['UK', 'GB'],
    ['USA', 'US'],
    ['Österreich', 'AT'],
  ];
  it.each(good)('is understood as %s', (text, code) => expect(countryOf(text)).toBe(code));

  it('is guessed where it is none', () => {
    expect(problems('country = Germny')).toMatchObject([{ guess: 'DE', value: 'Germny' }]);
    expect(problems('country = XX')).toMatchObject([{ line: 1, allowed: expect.stringContaining('two letters') }]);
  });
});

describe('settings of the radio', () => {
  it('go into the settings file as it wants them', () => {
    const file = `station = Home\nStation Key = ${KEY}\nname=Kitchen\noutput=auto\nvolume : 40`;
    expect(plan(file)).toMatchObject({
      settings: { station: 'Home', station_key: KEY, name: 'Kitchen', output: 'auto', volume: 40 },
      secrets: [{ line: 2, step: 'settings' }],
      findings: [],
    });
  });

  it('leave one wrong line out, with what is allowed', () => {
    const file = 'name = Kitchen\nvolume = loud';
    expect(plan(file).settings).toEqual({ name: 'Kitchen' });
    expect(problems(file)).toMatchObject([{ line: 2, key: 'volume', value: 'loud', allowed: 'a good volume' }]);
  });

  it('open a station again', () => {
    expect(plan('station_key = none')).toMatchObject({ settings: { station_key: null }, secrets: [] });
  });

  it('keep a key that was taken, and ask for one that a reset forgot', () => {
    const file = `station_key = ${TAKEN}`;
    expect(plan(file, ['station_key'])).toMatchObject({ settings: {}, findings: [], secrets: [] });
    expect(plan(file).good).toEqual([]);
    expect(problems(file)).toMatchObject([
      { line: 1, value: null, text: expect.stringContaining('write it here again') },
    ]);
  });

  it('count once: the last line', () => {
    const file = `station_key = ${KEY}\nstation_key = ${KEY.replaceAll('0', '1')}\nname = a\nname = b`;
    expect(plan(file)).toMatchObject({ settings: { name: 'b', station_key: KEY.replaceAll('0', '1') } });
    expect(problems(file).map(({ line }) => line)).toEqual([1, 3]);
    expect(plan(file).secrets.map(({ line }) => line)).toEqual([1, 2]);
  });

  const typos: [string, string][] = [
    ['wifi_pasword = secret words', 'wifi_password'],
    ['contry = DE', 'country'],
    ['statoin = x', 'station'],
    ['Volumen = 3', 'volume'],
    ['wifi My home', 'wifi = ...'],
  ];
  it.each(typos)('are guessed: %s', (line, guess) => {
    expect(problems(line)).toMatchObject([{ line: 1, guess, value: null }]);
  });
});

describe('SSH', () => {
  it('takes public keys of kinds that hold', () => {
    expect(plan(`ssh_key = ${ED25519}\nssh_key = ${ECDSA}`).ssh).toEqual([ED25519, ECDSA]);
  });
  it('goes off when asked to', () => expect(plan('ssh_key = none').ssh).toEqual([]));
  it('is left alone otherwise', () => expect(plan('name = x').ssh).toBeNull());

  const bad: [string, string, RegExp][] = [
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----', /private key/],
    ['options', `command="sh" ${ED25519}`, /kind of key/],
    ['DSA', 'ssh-dss AAAA', /DSA/],
    ['short RSA', RSA_1024, /2048/],
    ['a key cut off', ED25519.slice(0, 50), /cut off/],
    ['another kind inside', ED25519.replace('ssh-ed25519', 'ssh-rsa'), /kind inside/],
    ['nothing but the kind', 'ssh-ed25519', /cut off/],
  ];
  it.each(bad)('refuses %s', (_, text, cause) => {
    expect(checkSshKey(text)).toMatchObject({ ok: false, cause: expect.stringMatching(cause) });
    expect(plan(`ssh_key = ${text}`).ssh).toBeNull();
  });
  it('never lets a value be two lines', () => {
    const checked = checkSshKey(`${ED25519}\nssh-ed25519 AAAA`);
    expect(checked.ok && checked.value).not.toMatch(/\n/);
  });
});

describe('the answer', () => {
  const file =
    'wifi = Home\nwifi_password = swordfish\ncountry = DE\nvolume = loud\nwifi_pasword = hunter2hunter2\nhello';

  it('tells line by line, and no secret', () => {
    const text = answerText(plan(file), {});
    expect(text.startsWith('\ufeff')).toBe(true);
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(text).toContain('3 lines could not be used; 3 lines applied all the same.');
    expect(text).toContain('Line 4 (volume = loud) is not a whole number.\r\n      Allowed: a good volume');
    expect(text).toMatch(/Line 5 is nothing that can be set here\.\r\n {6}Did you mean: wifi_password/);
    expect(text).toContain('Line 6 has no = between');
    expect(text).toContain('Line 1: wifi = Home');
    expect(text).toContain('Line 2: wifi_password (a secret');
    expect(text).not.toMatch(/swordfish|hunter2|hello/);
  });

  it('says that all is well', () => {
    expect(answerText(plan('name = Kitchen'), {})).toContain('All is well: 1 line applied.');
    expect(answerText(plan(TEMPLATE), {})).toContain('Nothing is set in it');
  });

  it('says what the box could not keep', () => {
    const text = answerText(plan(file), { wifi: 'there is no space left' });
    expect(text).toContain('Line 1 (wifi): there is no space left. It is tried again');
    expect(text).not.toContain('Line 1: wifi = Home');
  });
});

describe('taking secrets out', () => {
  it('changes their values and nothing else', () => {
    const text = '# mine\r\nwifi = Home\rWi-Fi Password :  swordfish \n\nname = x';
    const { lines } = parseCard(text);
    const after = withoutValues(text, lines, new Set([3]));
    expect(after).toBe(`# mine\r\nwifi = Home\rWi-Fi Password : ${TAKEN}\n\nname = x`);
    expect(plan(after, [hexOf('Home')]).findings.filter(({ level }) => level === 'problem')).toEqual([]);
  });
});
