// The only file compiled with -mavx2 -mfma: nothing here may run before the processor was asked,
// and no template or inline function of other headers may be instantiated here, or the linker
// could keep this file's wide copy for everybody.
#include "gray_row.hpp"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

namespace facectrl {
namespace {

constexpr int kLanes = 8;
static_assert(kRowsAtOnce == kLanes && kColumnsAtOnce == kLanes);

__m256 to_float(__m128i eight_bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight_bytes));
}

__m256 expand_limited(__m256 luma) {
    const __m256 gray = _mm256_mul_ps(_mm256_sub_ps(luma, _mm256_set1_ps(16.0f)),
                                      _mm256_set1_ps(255.0f / 219.0f));
    return _mm256_min_ps(_mm256_max_ps(gray, _mm256_setzero_ps()), _mm256_set1_ps(255.0f));
}

// A load reads the bytes of eight pixels, `kStep` each, and no others.
struct Gray8 {
    static constexpr int kStep = 1;
    static __m256 load(const std::uint8_t* p) {
        return to_float(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    }
};

struct Nv12 {
    static constexpr int kStep = 1;
    static __m256 load(const std::uint8_t* p) { return expand_limited(Gray8::load(p)); }
};

struct Yuyv {
    static constexpr int kStep = 2;
    static __m256 load(const std::uint8_t* p) {
        const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i luma = _mm_and_si128(pairs, _mm_set1_epi16(0x00ff));
        return expand_limited(_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(luma)));
    }
};

struct Uyvy {
    static constexpr int kStep = 2;
    static __m256 load(const std::uint8_t* p) {
        const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i luma = _mm_srli_epi16(pairs, 8);
        return expand_limited(_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(luma)));
    }
};

struct Bgr24 {
    static constexpr int kStep = 3;
    // The first four pixels of one load and the last four of another; each lane picks one channel.
    static __m256 channel(__m256i pixels, int offset) {
        const __m256i pick = _mm256_add_epi32(
            _mm256_setr_epi32(0, 3, 6, 9, 4, 7, 10, 13), _mm256_set1_epi32(offset));
        // High bytes with bit 7 set make the shuffle write zeros there.
        const __m256i mask = _mm256_or_si256(pick, _mm256_set1_epi32(static_cast<int>(0x80808000)));
        return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(pixels, mask));
    }
    static __m256 load(const std::uint8_t* p) {
        const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8));
        const __m256i pixels = _mm256_set_m128i(high, low);
        __m256 gray = _mm256_mul_ps(channel(pixels, 0), _mm256_set1_ps(0.114f));
        gray = _mm256_fmadd_ps(channel(pixels, 1), _mm256_set1_ps(0.587f), gray);
        return _mm256_fmadd_ps(channel(pixels, 2), _mm256_set1_ps(0.299f), gray);
    }
};

template <class Format>
void accumulate(const std::uint8_t* pixels, int n, float weight, float* acc) {
    const __m256 w = _mm256_set1_ps(weight);
    const auto add = [=](int i, __m256 gray) {
        _mm256_storeu_ps(acc + i, _mm256_fmadd_ps(w, gray, _mm256_loadu_ps(acc + i)));
    };
    int i = 0;
    for (; i + kLanes <= n; i += kLanes) add(i, Format::load(pixels + i * Format::kStep));
    if (i == n) return;
    if (n >= kLanes) {
        // The last eight again, those that were added already as zeros.
        const int last = n - kLanes;
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i left = _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(i - last - 1));
        const __m256 gray = Format::load(pixels + last * Format::kStep);
        add(last, _mm256_and_ps(gray, _mm256_castsi256_ps(left)));
        return;
    }
    std::uint8_t few[kLanes * Format::kStep] = {};
    alignas(32) float sums[kLanes];
    __builtin_memcpy(few, pixels, static_cast<std::size_t>(n * Format::kStep));
    _mm256_store_ps(sums, _mm256_mul_ps(w, Format::load(few)));
    for (int k = 0; k < n; ++k) acc[k] += sums[k];
}

// Rows become columns.
void transpose(__m256 (&r)[kLanes]) {
    __m256 pairs[kLanes];
    for (int k = 0; k < kLanes; k += 2) {
        pairs[k] = _mm256_unpacklo_ps(r[k], r[k + 1]);
        pairs[k + 1] = _mm256_unpackhi_ps(r[k], r[k + 1]);
    }
    __m256 fours[kLanes];
    for (int k = 0; k < kLanes; k += 4) {
        for (int j = 0; j < 2; ++j) {
            const __m256 first = pairs[k + j];
            const __m256 second = pairs[k + j + 2];
            fours[k + 2 * j] = _mm256_shuffle_ps(first, second, _MM_SHUFFLE(1, 0, 1, 0));
            fours[k + 2 * j + 1] = _mm256_shuffle_ps(first, second, _MM_SHUFFLE(3, 2, 3, 2));
        }
    }
    for (int k = 0; k < kLanes / 2; ++k) {
        r[k] = _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x20);
        r[k + 4] = _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x31);
    }
}

// One pixel of each row. `Taps` is the number of weights where that is known, else 0.
template <int Taps>
__m256 combined(const float* weights, const float* pixels, int taps) {
    __m256 value = _mm256_mul_ps(_mm256_broadcast_ss(weights), _mm256_loadu_ps(pixels));
    for (int k = 1; k < (Taps > 0 ? Taps : taps); ++k) {
        value = _mm256_fmadd_ps(_mm256_broadcast_ss(weights + k * kLanes),
                                _mm256_loadu_ps(pixels + k * kLanes), value);
    }
    return _mm256_min_ps(value, _mm256_set1_ps(1.0f));
}

// Writes a block of columns, the one from `i` on; `row(j)` gives the eight of row j.
template <class Row>
void store_rows(const ColumnWeights& columns, int i, int rows, float* out, const Row& row) {
    out += i;
    const int count = columns.width - i;
    if (count >= kLanes) {
        for (int j = 0; j < rows; ++j, out += columns.width) _mm256_storeu_ps(out, row(j));
        return;
    }
    alignas(32) float few[kLanes];
    for (int j = 0; j < rows; ++j, out += columns.width) {
        _mm256_store_ps(few, row(j));
        for (int k = 0; k < count; ++k) out[k] = few[k];
    }
}

// The rows are laid side by side first, so that one load takes a pixel of each.
template <int Taps>
void transpose_and_combine(const ColumnWeights& columns, float* sums, std::size_t stride, int rows,
                           float* out) {
    const int taps = Taps > 0 ? Taps : columns.taps;
    float* const pixels = sums + kLanes * stride;
    __m256 block[kLanes];
    for (std::size_t x = 0; x < stride; x += kLanes) {
        for (std::size_t k = 0; k < kLanes; ++k) block[k] = _mm256_loadu_ps(sums + k * stride + x);
        transpose(block);
        for (std::size_t k = 0; k < kLanes; ++k) {
            _mm256_storeu_ps(pixels + (x + k) * kLanes, block[k]);
        }
    }
    const float* weights = columns.weights;
    const int* firsts = columns.firsts;
    for (int i = 0; i < columns.width; i += kLanes, weights += taps * kLanes) {
        for (int j = 0; j < kLanes; ++j) {
            block[j] = combined<Taps>(weights + j, pixels + firsts[i + j] * kLanes, taps);
        }
        transpose(block);
        store_rows(columns, i, rows, out, [&](int j) { return block[j]; });
    }
}

// For columns of which each block needs sixteen pixels at most: two registers hold these, and each
// weight is for eight picked of them. Nothing has to be laid side by side and back.
template <int Taps>
void pick_and_combine(const ColumnWeights& columns, const float* sums, std::size_t stride,
                      int rows, float* out) {
    const float* blocks = columns.weights;
    for (int i = 0; i < columns.width; i += kLanes, blocks += Taps * kLanes) {
        const __m256i firsts =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(columns.firsts + i));
        __m256 weights[Taps];
        __m256i places[Taps];
        for (int k = 0; k < Taps; ++k) {
            weights[k] = _mm256_loadu_ps(blocks + k * kLanes);
            places[k] = _mm256_sub_epi32(firsts, _mm256_set1_epi32(columns.firsts[i] - k));
        }
        const float* from = sums + columns.firsts[i];
        store_rows(columns, i, rows, out, [&](int j) {
            const float* pixels = from + static_cast<std::size_t>(j) * stride;
            const __m256 low = _mm256_loadu_ps(pixels);
            const __m256 high = _mm256_loadu_ps(pixels + kLanes);
            __m256 value = _mm256_setzero_ps();
            for (int k = 0; k < Taps; ++k) {
                // The bit that tells eight and more from less becomes the sign, which chooses.
                const __m256 is_high = _mm256_castsi256_ps(_mm256_slli_epi32(places[k], 28));
                const __m256 picked = _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, places[k]),
                                                       _mm256_permutevar8x32_ps(high, places[k]),
                                                       is_high);
                value = _mm256_fmadd_ps(weights[k], picked, value);
            }
            return _mm256_min_ps(value, _mm256_set1_ps(1.0f));
        });
    }
}

template <int Taps>
void combine_few(const ColumnWeights& columns, float* sums, std::size_t stride, int rows,
                 float* out) {
    if (columns.reach <= 2 * kLanes) return pick_and_combine<Taps>(columns, sums, stride, rows, out);
    transpose_and_combine<Taps>(columns, sums, stride, rows, out);
}

void combine(const ColumnWeights& columns, float* sums, std::size_t stride, int rows, float* out) {
    switch (columns.taps) {
    case 2: return combine_few<2>(columns, sums, stride, rows, out);
    case 3: return combine_few<3>(columns, sums, stride, rows, out);
    case 4: return transpose_and_combine<4>(columns, sums, stride, rows, out);
    case 5: return transpose_and_combine<5>(columns, sums, stride, rows, out);
    default: return transpose_and_combine<0>(columns, sums, stride, rows, out);
    }
}

}  // namespace

const GrayRowKernels* avx2_gray_rows() {
    static constexpr GrayRowKernels kernels{accumulate<Bgr24>, accumulate<Gray8>, accumulate<Yuyv>,
                                            accumulate<Uyvy>, accumulate<Nv12>, combine};
    static const bool usable = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return usable ? &kernels : nullptr;
}

}  // namespace facectrl

#else

namespace facectrl {
const GrayRowKernels* avx2_gray_rows() { return nullptr; }
}  // namespace facectrl

#endif
