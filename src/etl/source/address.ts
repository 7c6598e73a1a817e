// An ETL's path taken apart: git::…//path?ref=…, https://…, file:….

import { AppError } from '../../errors.ts'
import { escapePath, plainEscapes, plainFolderPath, plainRemotePath } from './plain-path.ts'

export interface GitAddress {
  kind: 'git'
  /** Without credentials; what the catalog keeps. */
  publicPath: string
  fileName: string
  transport: 'https' | 'http' | 'ssh' | 'file'
  /** What git is given, credentials included; a folder's path for `file`. */
  remote: string
  /** Host and port as they are held against the allowed ones; null for `file`. */
  host: Host | null
  /** Texts that must never be shown. */
  secrets: readonly string[]
  file: string
  /** A branch, a tag or a commit; null for HEAD. */
  ref: string | null
}

export interface WebAddress {
  kind: 'web'
  publicPath: string
  fileName: string
  url: URL
}

export interface FileAddress {
  kind: 'file'
  publicPath: string
  fileName: string
  file: string
}

export type EtlAddress = GitAddress | WebAddress | FileAddress

export interface Host {
  name: string
  /** Null when it is the scheme's own. */
  port: string | null
}

/** Why an ETL's file is not to be had: it is not there, it may not be read, or it is there and cannot be. */
export type Unavailable = 'MISSING' | 'FORBIDDEN' | 'UNREADABLE'

/** ETL_LOAD_FAILED for the path, which must hold no credentials any more. */
export function loadFailed(
  publicPath: string,
  reason: string,
  { cause, why }: { cause?: unknown; why?: Unavailable } = {},
): AppError {
  return new AppError('ETL_LOAD_FAILED', `The ETL ${publicPath} cannot be loaded: ${reason}`, {
    details: { path: publicPath, ...(why && { why }) },
    ...(cause === undefined ? {} : { cause }),
  })
}

const forms = [
  'git::https://host/org/repo.git//path/in/repo/features.sql?ref=v1.2 (ssh://, git@host:org/repo.git and file:// too)',
  'https://host/features.ts',
  'file:./etl/features.sql',
  'the id of an ETL in the catalog (etl_…)',
].join('; ')

/** Query parameters that are a key rather than a name. */
const secretParameter =
  /^(token|access_token|private_token|auth|api_?key|key|sig|signature|password|x-amz-.*|x-goog-.*|awsaccesskeyid)$/i

export function parseAddress(path: string): EtlAddress {
  if (path.length > 2000) throw new AppError('ETL_LOAD_FAILED', 'The ETL path is longer than 2000 characters')
  if (controlCharacter.test(path))
    throw new AppError('ETL_LOAD_FAILED', 'The ETL path holds a control character')
  if (!path.isWellFormed())
    throw new AppError('ETL_LOAD_FAILED', 'The ETL path is not well formed Unicode text')
  if (path.startsWith('git::')) return parseGit(path.slice('git::'.length))
  if (/^https?:\/\//i.test(path)) return parseWeb(path)
  if (path.startsWith('file:')) return parseFile(path)
  throw new AppError(
    'ETL_LOAD_FAILED',
    `An ETL path has one of these forms: ${forms}. ${quoteStart(path)} has none of them`,
    {
      details: { forms },
    },
  )
}

/** A malformed path may hold a password anywhere: of it, only what stands before one is told. */
function quoteStart(path: string): string {
  return path.includes('@') ? 'This one' : JSON.stringify(path.slice(0, 100))
}

function malformed(reason: string): never {
  throw new AppError('ETL_LOAD_FAILED', `The ETL path is not well formed: ${reason}`)
}

function baseName(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const controlCharacter = /[\u0000-\u001f\u007f]/

function decodePart(text: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    return malformed('its % signs do not stand for characters')
  }
  return controlCharacter.test(decoded) ? malformed('its % signs stand for a control character') : decoded
}

const gitForm = 'git::https://host/org/repo.git//path/in/repo/features.sql?ref=v1.2'

function parseGit(text: string): GitAddress {
  const { location, ref } = splitQuery(text)
  const schemeEnd = location.indexOf('://') === -1 ? 0 : location.indexOf('://') + 3
  const split = location.indexOf('//', schemeEnd + (location.startsWith('//', schemeEnd) ? 2 : 0))
  if (split === -1)
    malformed(`two slashes must stand between the repository and the file in it, as in ${gitForm}`)
  const repository = location.slice(0, split)
  const file = decodePart(location.slice(split + 2))
  const parts = file.split('/')
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    malformed(
      `${JSON.stringify(file)} is not a file's path in a repository; it has no empty part, no . and no ..`,
    )
  }
  const named = ref === null ? null : decodePart(ref)
  const query = named === null ? '' : `?ref=${encodeURIComponent(named).replaceAll('%2F', '/')}`
  const remote = parseRemote(repository)
  return {
    kind: 'git',
    ...remote,
    publicPath: `git::${remote.publicRepository}//${escapePath(file)}${query}`,
    fileName: baseName(file),
    file,
    ref: named,
  }
}

function splitQuery(text: string): { location: string; ref: string | null } {
  const at = text.indexOf('?')
  if (at === -1) return { location: text, ref: null }
  let ref: string | null = null
  for (const pair of text.slice(at + 1).split('&')) {
    const [name = '', ...value] = pair.split('=')
    if (name !== 'ref')
      malformed(`after the question mark only ref=… may stand, not ${JSON.stringify(name.slice(0, 40))}`)
    ref = value.join('=')
  }
  if (ref !== null) checkRef(decodePart(ref))
  return { location: text.slice(0, at), ref }
}

/** What git takes for a branch's, a tag's or a commit's name, and no option. */
function checkRef(ref: string): void {
  const isName =
    ref !== '' && ref.length <= 250 && !/^[-/.]|\.\.|@\{|[\s~^:?*[\\]|\/\/|[/.]$|\.lock$/.test(ref)
  if (!isName) malformed(`ref=${ref.slice(0, 100)} is not the name of a branch, a tag or a commit`)
}

type Remote = Pick<GitAddress, 'transport' | 'remote' | 'host' | 'secrets'> & { publicRepository: string }

const scpForm = /^(?:([\w.-]+)@)?([A-Za-z0-9][A-Za-z0-9.-]*):(?!\/\/)(.+)$/

function parseRemote(repository: string): Remote {
  if (/^(https?|ssh):\/\//i.test(repository)) return parseRemoteUrl(repository)
  if (/^file:\/\//i.test(repository)) return parseFolder(decodePart(repository.slice('file://'.length)))
  if (/^[./]/.test(repository)) return parseFolder(repository)
  const [, user, host, path] = scpForm.exec(repository) ?? []
  const plain = plainRemotePath(path ?? '')
  if (host === undefined || plain.startsWith('-'))
    return malformed(`its repository is neither a URL nor git@host:org/repo.git, as in ${gitForm}`)
  const name = host.toLowerCase()
  const remote = `${user === undefined ? '' : `${user}@`}${name}:${plain}`
  return { transport: 'ssh', remote, host: { name, port: null }, secrets: [], publicRepository: remote }
}

function parseFolder(written: string): Remote {
  const folder = plainFolderPath(written)
  if (folder === '/') malformed(`it names no repository, as in ${gitForm}`)
  const publicRepository = `file://${escapePath(folder)}`
  return { transport: 'file', remote: folder, host: null, secrets: [], publicRepository }
}

function parseRemoteUrl(repository: string): Remote {
  const url = plainRemoteUrl(repository)
  const transport = url.protocol.slice(0, -1) as 'https' | 'http' | 'ssh'
  const secrets = transport === 'ssh' ? [url.password] : [url.username, url.password]
  const shown = new URL(url)
  shown.password = ''
  if (transport !== 'ssh') shown.username = ''
  return {
    transport,
    remote: url.href,
    host: { name: url.hostname, port: url.port === '' ? null : url.port },
    secrets: secrets.flatMap((secret) => (secret === '' ? [] : [secret, decodePart(secret)])),
    publicRepository: shown.href,
  }
}

/** In one spelling; of ssh URLs the parser leaves the host's capitals and the usual port. */
function plainRemoteUrl(repository: string): URL {
  const url = parseUrl(repository)
  if (!/^(\[[\da-f:.]+\]|[a-z0-9][a-z0-9.-]*)$/i.test(url.hostname)) malformed('its host is no host name')
  if (url.username.startsWith('-')) malformed('its user is no user name')
  if (url.hash !== '') malformed('its repository has a number sign; only the file in it and ?ref=… follow')
  url.hostname = url.hostname.toLowerCase()
  url.hash = ''
  if (url.protocol === 'ssh:') url.username = plainEscapes(url.username)
  if (url.protocol === 'ssh:' && url.port === '22') url.port = ''
  url.pathname = plainEscapes(url.pathname).replace(/(?<=.)\/+$/, '')
  if (url.pathname === '' || url.pathname === '/') malformed(`it names no repository, as in ${gitForm}`)
  return url
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text)) return malformed('its URL cannot be read')
  const url = new URL(text)
  decodePart(url.username + url.password)
  return url
}

function parseWeb(path: string): WebAddress {
  const url = parseUrl(path)
  url.hash = ''
  url.pathname = plainEscapes(url.pathname)
  // A question mark that nothing follows goes, too.
  url.search = plainEscapes(url.search)
  return { kind: 'web', publicPath: publicUrl(url), fileName: baseName(decodePart(url.pathname)), url }
}

/** The URL without user, password and keys among its parameters. */
function publicUrl(url: URL): string {
  const shown = new URL(url)
  shown.username = ''
  shown.password = ''
  for (const name of [...shown.searchParams.keys()]) {
    if (secretParameter.test(name)) shown.searchParams.delete(name)
  }
  return shown.href
}

function parseFile(path: string): FileAddress {
  const rest = path.slice('file:'.length)
  const written = decodePart(rest.startsWith('///') ? rest.slice(2) : rest)
  if (written === '' || written.startsWith('//'))
    malformed('after file: stands a path, as in file:./etl/features.sql')
  const file = plainFolderPath(written)
  return { kind: 'file', publicPath: `file:${escapePath(file)}`, fileName: baseName(file), file }
}
