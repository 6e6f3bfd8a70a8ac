#pragma once
#include <gtest/gtest.h>

// Skips a test of what memory a process takes, or is refused, where a sanitizer's allocator stands in for the system's.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define USAM_HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define USAM_HAS_SANITIZER 1
#endif
#endif
#ifdef USAM_HAS_SANITIZER
#define USAM_NEEDS_THE_SYSTEMS_ALLOCATOR() GTEST_SKIP() << "the sanitizer's allocator is not the system's"
#else
#define USAM_NEEDS_THE_SYSTEMS_ALLOCATOR() static_cast<void>(0)
#endif
