/**
 * Reading and checking arguments, for the functions of basalt.cc. A wrong argument throws (TypeError, RangeError) and the
 * reader returns false; a failed system call is not an exception here but a negative errno, which src/native names.
 */
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>

#define NAPI_VERSION 8
#include <node_api.h>

/** An ArrayBuffer of reserve() carries this tag, so that nothing else can be mapped over. */
static const napi_type_tag kSlotTag = {0x6261736c74736c6fULL, 0x742d76312d6d6170ULL};
static const double kLargestInteger = 9007199254740991.0;

struct Arguments {
  napi_env env;
  napi_value values[6];
  size_t count = 6;

  Arguments(napi_env env, napi_callback_info info) : env(env) {
    if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) != napi_ok) count = 0;
    if (count > 6) count = 6;
  }

  bool fail(const char* message) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
    return false;
  }

  /** A whole number of 0 … 2^53-1. */
  bool size(size_t index, int64_t* out, const char* message) {
    double value;
    if (index >= count || napi_get_value_double(env, values[index], &value) != napi_ok) return fail(message);
    if (!(value >= 0 && value <= kLargestInteger) || value != static_cast<double>(static_cast<int64_t>(value))) {
      napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message);
      return false;
    }
    *out = static_cast<int64_t>(value);
    return true;
  }

  bool descriptor(size_t index, int* out) {
    int64_t value;
    if (!size(index, &value, "fd must be a file descriptor")) return false;
    if (value > INT32_MAX) return fail("fd must be a file descriptor");
    *out = static_cast<int>(value);
    return true;
  }

  bool flag(size_t index, bool* out) {
    *out = false;
    if (index >= count) return true;
    return napi_get_value_bool(env, values[index], out) == napi_ok || fail("flag must be a boolean");
  }

  bool text(size_t index, char* out, size_t room, const char* message) {
    size_t length = 0;
    if (index >= count || napi_get_value_string_utf8(env, values[index], nullptr, 0, &length) != napi_ok) return fail(message);
    if (length == 0 || length >= room) return fail(message);
    napi_get_value_string_utf8(env, values[index], out, room, &length);
    for (size_t i = 0; i < length; i++) {
      if (out[i] == 0) return fail(message);
    }
    return true;
  }

  /** The ArrayBuffer of a slot: its address and size. */
  bool slot(size_t index, char** base, size_t* length) {
    bool ours = false;
    if (index >= count || napi_check_object_type_tag(env, values[index], &kSlotTag, &ours) != napi_ok || !ours) {
      return fail("slot must be an ArrayBuffer of reserve()");
    }
    void* data = nullptr;
    if (napi_get_arraybuffer_info(env, values[index], &data, length) != napi_ok || data == nullptr) return fail("slot is detached");
    *base = static_cast<char*>(data);
    return true;
  }

  /** slot, offset, length: whole pages around a range inside the slot. */
  bool pages(char** start, size_t* length, size_t pageSize) {
    char* base;
    size_t slotSize;
    int64_t offset, wanted;
    if (!slot(0, &base, &slotSize) || !size(1, &offset, "offset must be a whole number of bytes") ||
        !size(2, &wanted, "length must be a whole number of bytes")) {
      return false;
    }
    if (static_cast<size_t>(wanted) > slotSize || static_cast<size_t>(offset) > slotSize - static_cast<size_t>(wanted)) {
      napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "the range lies outside the slot");
      return false;
    }
    size_t from = static_cast<size_t>(offset) & ~(pageSize - 1);
    *start = base + from;
    *length = static_cast<size_t>(offset) + static_cast<size_t>(wanted) - from;
    return true;
  }
};

inline napi_value number(napi_env env, int64_t value) {
  napi_value result = nullptr;
  napi_create_int64(env, value, &result);
  return result;
}

/** 0, or the negative errno of a call that returned -1. */
inline napi_value outcome(napi_env env, int returned) { return number(env, returned == -1 ? -errno : 0); }
