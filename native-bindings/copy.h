/**
 * Copying bytes between buffers of JavaScript, shared or not, and the CRC-32 of what was copied, in one call.
 *
 * Why here: V8 copies to and from a SharedArrayBuffer with byte-wise relaxed stores (0.3 µs a KiB on Node 20 and 22), Node
 * makes a view for each crc32 and each Buffer.copy. Nobody else may write the ranges meanwhile: rings guarantee that.
 *
 * CRC: zlib's polynomial, reflected. 64 bytes a step by carry-less multiplication where the processor has it (Gopal et al.,
 * "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ"): the register then holds 16 bytes that leave the same
 * remainder as all before, and a table ends it. Elsewhere the table does all, 8 bytes a step.
 */
#pragma once
#include <cstring>

#include "arguments.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define BASALT_CLMUL 1
#endif

static uint32_t g_crcTable[8][256];

static void fillCrcTable() {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
    g_crcTable[0][byte] = crc;
  }
  for (int row = 1; row < 8; row++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      const uint32_t before = g_crcTable[row - 1][byte];
      g_crcTable[row][byte] = (before >> 8) ^ g_crcTable[0][before & 0xff];
    }
  }
}

/** Goes on from `crc` (not inverted). */
static uint32_t crcByTable(uint32_t crc, const uint8_t* bytes, size_t length) {
  const auto& table = g_crcTable;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (; length >= 8; length -= 8, bytes += 8) {
    uint32_t low, high;
    memcpy(&low, bytes, 4);
    memcpy(&high, bytes + 4, 4);
    low ^= crc;
    crc = table[7][low & 0xff] ^ table[6][(low >> 8) & 0xff] ^ table[5][(low >> 16) & 0xff] ^ table[4][low >> 24] ^
          table[3][high & 0xff] ^ table[2][(high >> 8) & 0xff] ^ table[1][(high >> 16) & 0xff] ^ table[0][high >> 24];
  }
#endif
  for (; length > 0; length--, bytes++) crc = (crc >> 8) ^ table[0][(crc ^ *bytes) & 0xff];
  return crc;
}

#ifdef BASALT_CLMUL
#define CLMUL_TARGET __attribute__((target("pclmul,sse2")))

static inline __m128i load(const uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }

/** `lane` moved on by the distance that the two constants of `by` stand for, and joined with `next`. */
CLMUL_TARGET static inline __m128i fold(__m128i lane, __m128i by, __m128i next) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(lane, by, 0x00), _mm_clmulepi64_si128(lane, by, 0x11)), next);
}

/** At least 64 bytes. */
CLMUL_TARGET static uint32_t crcByMultiplying(uint32_t crc, const uint8_t* bytes, size_t length) {
  const __m128i by64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
  const __m128i by16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
  __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi32_si128(static_cast<int>(crc)));
  __m128i b = load(bytes + 16), c = load(bytes + 32), d = load(bytes + 48);
  for (bytes += 64, length -= 64; length >= 64; bytes += 64, length -= 64) {
    a = fold(a, by64, load(bytes));
    b = fold(b, by64, load(bytes + 16));
    c = fold(c, by64, load(bytes + 32));
    d = fold(d, by64, load(bytes + 48));
  }
  a = fold(fold(fold(a, by16, b), by16, c), by16, d);
  for (; length >= 16; bytes += 16, length -= 16) a = fold(a, by16, load(bytes));
  uint8_t same[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(same), a);
  return crcByTable(crcByTable(0, same, sizeof(same)), bytes, length);
}

static const bool g_multiplies = __builtin_cpu_supports("pclmul") != 0;
#endif

static uint32_t crcOf(const uint8_t* bytes, size_t length) {
#ifdef BASALT_CLMUL
  if (length >= 64 && g_multiplies) return ~crcByMultiplying(0xffffffffu, bytes, length);
#endif
  return ~crcByTable(0xffffffffu, bytes, length);
}

/** A range of a buffer, checked: arguments `buffer`, `start`, `length`. */
static bool rangeOf(Arguments* args, size_t buffer, size_t start, int64_t length, uint8_t** out) {
  void* data = nullptr;
  size_t size = 0;
  int64_t from = 0;
  if (buffer >= args->count || napi_get_buffer_info(args->env, args->values[buffer], &data, &size) != napi_ok) {
    return args->fail("bytes must be a Buffer");
  }
  if (start >= args->count || napi_get_value_int64(args->env, args->values[start], &from) != napi_ok) {
    return args->fail("start must be a number");
  }
  if (from < 0 || length < 0 || static_cast<uint64_t>(length) > size || static_cast<uint64_t>(from) > size - static_cast<uint64_t>(length)) {
    napi_throw_range_error(args->env, "ERR_OUT_OF_RANGE", "the range lies outside the buffer");
    return false;
  }
  *out = static_cast<uint8_t*>(data) + from;
  return true;
}

static bool copyRange(Arguments* args, uint8_t** to, int64_t* length) {
  uint8_t* from;
  if (args->count < 5 || napi_get_value_int64(args->env, args->values[4], length) != napi_ok) {
    return args->fail("length must be a number");
  }
  if (!rangeOf(args, 0, 1, *length, to) || !rangeOf(args, 2, 3, *length, &from)) return false;
  memmove(*to, from, static_cast<size_t>(*length));
  return true;
}

/** copy(to, at, from, start, length) */
static napi_value copy(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  uint8_t* to;
  int64_t length;
  copyRange(&args, &to, &length);
  return nullptr;
}

/** copyWithCrc(to, at, from, start, length): the CRC-32 of the bytes, as an int32. */
static napi_value copyWithCrc(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  uint8_t* to;
  int64_t length;
  if (!copyRange(&args, &to, &length)) return nullptr;
  napi_value result = nullptr;
  napi_create_int32(env, static_cast<int32_t>(crcOf(to, static_cast<size_t>(length))), &result);
  return result;
}

/** crc32(bytes, start, length), as an int32. */
static napi_value crc32(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  uint8_t* from;
  int64_t length;
  if (args.count < 3 || napi_get_value_int64(env, args.values[2], &length) != napi_ok) {
    args.fail("length must be a number");
    return nullptr;
  }
  if (!rangeOf(&args, 0, 1, length, &from)) return nullptr;
  napi_value result = nullptr;
  napi_create_int32(env, static_cast<int32_t>(crcOf(from, static_cast<size_t>(length))), &result);
  return result;
}
