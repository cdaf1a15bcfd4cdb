// What an sLSTM block does between norm and head norm, and an mLSTM block between its projections up and down: the
// maths of scan.py, mlstm.py and parts.py, which are the reference, in few passes over memory, with no call per step.
// One thread and one order of every sum, so that results repeat bit for bit.
//
// N copies, L steps, of which the last A are asked for, B windows, D and U widths, d width of a head. Time comes before
// the batch: u (N, L, B, U). What begins with d_ is a gradient; functions add to what they are handed last.

#include <ATen/ATen.h>
#include <torch/library.h>
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#define INLINE inline __attribute__((always_inline))
#define PRAGMA(...) _Pragma(#__VA_ARGS__)
#define UNROLL PRAGMA(GCC unroll 17)
#define SIMD PRAGMA(omp simd)
#define SIMD_SUM(...) PRAGMA(omp simd reduction(+ : __VA_ARGS__))

namespace {

using at::Tensor;
using Tensors = std::vector<Tensor>;

constexpr int TAPS = 4;
constexpr double CELL_EPS = 1e-6, NORM_EPS = 1e-5;  // as mlstm.py has them
constexpr double INVERSE_FACTORIAL[] = {1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880,
                                        1. / 40320,      1. / 5040,      1. / 720,      1. / 120,     1. / 24,
                                        1. / 6,          1. / 2,         1.,            1.};

// All of it for numbers T, float or double
template <typename T> struct Blocks {
  static constexpr bool single = sizeof(T) == 4;
  static constexpr int LANES = __BIGGEST_ALIGNMENT__ / sizeof(T);  // of this processor's vectors

  // ---- functions of one number, which the compiler turns into functions of many ----
  // 2^n times the Taylor series of exp(r), |r| <= log(2) / 2; ends where T's range does
  static INLINE T exp(T x) {
    constexpr T limit = single ? 87 : 708, high = single ? 0.693359375 : 0.6931471803691238;
    constexpr T low = single ? -2.12194440e-4 : 1.9082149292705877e-10;  // high + low = log(2)
    x = std::max(std::min(x, limit), -limit);
    const T n = __builtin_rint(x * T(1.4426950408889634)), r = x - n * high - n * low;
    T sum = 0;
    UNROLL for (int k = single ? 6 : 0; k < 14; k++) sum = sum * r + T(INVERSE_FACTORIAL[k]);
    using Bits = std::conditional_t<single, int32_t, int64_t>;
    return sum * __builtin_bit_cast(T, (Bits(n) + (single ? 127 : 1023)) << (single ? 23 : 52));
  }

  static INLINE T sigmoid(T x) { return 1 / (1 + exp(-x)); }
  static INLINE T tanh(T x) { return 1 - 2 * sigmoid(-2 * x); }
  // with e = exp(-|x|), which they can share: sigma(x), and log(1 + e) = 2 artanh(e / (2 + e)), by its series
  static INLINE T exp_minus(T x) { return exp(-std::abs(x)); }
  static INLINE T sigmoid(T x, T e) { return (x < 0 ? e : T(1)) / (1 + e); }
  static INLINE T log1p(T e) {
    constexpr int terms = single ? 8 : 17;
    const T s = e / (2 + e);
    T sum = 0;
    UNROLL for (int k = 1; k <= terms; k++) sum = sum * s * s + T(1. / (2 * (terms - k) + 1));
    return 2 * s * sum;
  }

  // ---- matrices ----
  template <typename E> struct View {
    E* data;
    long row, column = 1;  // how far it is to the next

    INLINE E* operator[](long i) const { return data + i * row; }
    View from(long i, long j) const { return {data + i * row + j * column, row, column}; }
    View transposed() const { return {data, column, row}; }
    operator View<const E>() const { return {data, row, column}; }
  };
  using Matrix = View<T>;
  using Input = View<const T>;
  static T* of_copy(const Tensor& x, long n) { return x.data_ptr<T>() + n * (x.numel() / x.size(0)); }

  // What a function needs meanwhile: zeros, or the transposed of x (rows, columns)
  struct Room {
    std::vector<T> all;
    long width;

    Room(long rows, long width) : all(rows * width), width(width) {}
    Room(const T* x, long rows, long columns) : Room(columns, rows) { transpose(rows, columns, {x, columns}, *this); }
    operator Matrix() { return {all.data(), width}; }
    operator Input() { return {all.data(), width}; }
    T* operator[](long i) { return all.data() + i * width; }
    void fill(T value) { std::fill(all.begin(), all.end(), value); }
  };

  // y (columns, rows) = x'
  static void transpose(long rows, long columns, Input x, Matrix y) {
    for (long i = 0; i < rows; i += 16)
      for (long j = 0; j < columns; j++)
        for (long k = i; k < std::min(i + 16, rows); k++) y[j][k] = x[k][j];
  }

  // R rows and C vectors of columns of c += a b, which stay in registers
  template <int lanes, int R, int C> static INLINE void tile(long inner, Input a, Input b, Matrix c) {
    typedef T V __attribute__((vector_size(sizeof(T) * lanes), aligned(sizeof(T)), may_alias));
    V sum[R][C], row[C];
    UNROLL for (int i = 0; i < R; i++) UNROLL for (int j = 0; j < C; j++) sum[i][j] = *(V*)(c[i] + j * lanes);
    for (long k = 0; k < inner; k++) {
      UNROLL for (int j = 0; j < C; j++) row[j] = *(const V*)(b[k] + j * lanes);
      UNROLL for (int i = 0; i < R; i++) {
        const T factor = a.data[i * a.row + k * a.column];
        UNROLL for (int j = 0; j < C; j++) sum[i][j] += factor * row[j];
      }
    }
    UNROLL for (int i = 0; i < R; i++) UNROLL for (int j = 0; j < C; j++) *(V*)(c[i] + j * lanes) = sum[i][j];
  }

  // as far as C vectors go into the columns from j on
  template <int lanes, int C> static long bands(long j, long columns, long rows, long k, Input a, Input b, Matrix c) {
    for (; j + C * lanes <= columns; j += C * lanes) {
      long i = 0;
      for (; C == 1 && i + 8 <= rows; i += 8) tile<lanes, 8, C>(k, a.from(i, 0), b.from(0, j), c.from(i, j));
      for (; i + 4 <= rows; i += 4) tile<lanes, 4, C>(k, a.from(i, 0), b.from(0, j), c.from(i, j));
      for (; i < rows; i++) tile<lanes, 1, C>(k, a.from(i, 0), b.from(0, j), c.from(i, j));
    }
    return j;
  }

  // c (rows, columns) += a (rows, inner) b (inner, columns); a may be transposed
  static void product(long rows, long columns, long inner, Input a, Input b, Matrix c) {
    long j = __BIGGEST_ALIGNMENT__ < 64 ? 0 : bands<LANES, 4>(0, columns, rows, inner, a, b, c);  // with 32 registers
    j = bands<LANES, 2>(j, columns, rows, inner, a, b, c);
    j = bands<LANES, 1>(j, columns, rows, inner, a, b, c);
    j = bands<LANES / 2, 1>(j, columns, rows, inner, a, b, c);
    bands<1, 1>(j, columns, rows, inner, a, b, c);
  }

  // ---- the causal convolution of a window ----
  // a (L, U) = silu(c) and the slope there, c_t = bias + the sum over lags of taps[3 - lag] x_{t - lag}
  static void convolve(long L, Input x, Room& taps, const T* bias, Matrix a, Matrix slope) {
    Room before(1, taps.width);
    const T *w0 = taps[0], *w1 = taps[1], *w2 = taps[2], *w3 = taps[3];
    for (long t = 0; t < L; t++) {
      const auto past = [&](long lag) { return t < lag ? before[0] : x[t - lag]; };
      const T *x0 = past(3), *x1 = past(2), *x2 = past(1), *x3 = past(0);
      T *a_t = a[t], *slope_t = slope[t];
      SIMD for (long i = 0; i < taps.width; i++) {
        const T c = bias[i] + w0[i] * x0[i] + w1[i] * x1[i] + w2[i] * x2[i] + w3[i] * x3[i], open = sigmoid(c);
        a_t[i] = c * open, slope_t[i] = open * (1 + c * (1 - open));
      }
    }
  }

  static void convolve_backward(long L, Matrix d_a, Input slope, Input x, Room& taps, Matrix d_x, Room& d_taps,
                                T* d_bias) {
    for (long t = 0; t < L; t++) {
      T* d_c = d_a[t];
      SIMD for (long i = 0; i < taps.width; i++) d_bias[i] += d_c[i] *= slope[t][i];
      for (long lag = 0; lag < TAPS && lag <= t; lag++) {
        const T *tap = taps[TAPS - 1 - lag], *x_t = x[t - lag];
        T *d_tap = d_taps[TAPS - 1 - lag], *d_x_t = d_x[t - lag];
        SIMD for (long i = 0; i < taps.width; i++) d_tap[i] += d_c[i] * x_t[i], d_x_t[i] += d_c[i] * tap[i];
      }
    }
  }

  // ---- sLSTM: a copy of what lies between norm and head norm, head by head ----
  struct SLSTM {
    enum Given { U, CONV, CONV_BIAS, FGATE, IGATE, ZGATE, OGATE, RECURRENT, BIAS };
    // The output (L, B, D); of each head alpha, sigma(-f), tanh(z), sigma(o) (L, B, 4d), and r (L, B, d)
    enum Kept { H, GATES, R };

    const Tensors &given, &kept;
    const long n, L, B, D, parts, d, rows;  // parts: heads, whose d channels lie side by side in the D of a row
    Room taps, a, slope, d_a, d_taps;

    static Tensors room(const Tensors& given) {
      const Tensor& u = given[U];
      return {at::empty_like(u), at::empty({4, u.numel()}, u.options()).view({u.size(0), -1}), at::empty_like(u)};
    }

    SLSTM(const Tensors& given, const Tensors& kept, long n)
        : given(given), kept(kept), n(n), L(given[U].size(1)), B(given[U].size(2)), D(given[U].size(3)),
          parts(given[FGATE].size(1)), d(D / parts), rows(L * B), taps(part(given, CONV), D, TAPS), a(rows, D),
          slope(rows, D), d_a(rows, D), d_taps(TAPS, D) {
      for (long b = 0; b < B; b++)
        convolve(L, window(part(given, U), b), taps, part(given, CONV_BIAS), window(a[0], b), window(slope[0], b));
    }

    // of `given`, or of the gradients by it, what belongs to a head
    T* part(const Tensors& tensors, int which, long head = 0) const {
      const long size = which == RECURRENT ? 4 * d * d : FGATE <= which && which <= OGATE ? d * d : d;
      return of_copy(tensors[which], n) + head * size;
    }
    T* state(int which, long head) const {
      return of_copy(kept[which], n) + head * (which == H ? d : which == R ? rows * d : rows * 4 * d);
    }
    Matrix window(T* x, long b) const { return {x + b * D, B * D}; }
    Input read_by(int gate, long head) { return {gate < 2 ? a[0] + head * d : part(given, U, head), D}; }

    void forward(long head) {
      T *h = state(H, head), *p = state(GATES, head), *r = state(R, head);
      const T* bias = part(given, BIAS, head);
      for (int k = 0; k < 4; k++) {
        for (long row = 0; row < rows; row++) std::copy_n(bias + k * D, d, p + (4 * row + k) * d);
        Room weight(part(given, FGATE + k, head), d, d);
        product(rows, d, d, read_by(k, head), weight, {p + k * d, 4 * d});
      }
      Room recurrent(part(given, RECURRENT, head), 4 * d, d);
      Room r_before(B, d), log_n(B, d);
      log_n.fill(-INFINITY);
      for (long t = 0; t < L; t++, h += B * D) {
        if (t) product(B, 4 * d, d, {h - B * D, D}, recurrent, {p, 4 * d});
        for (long b = 0; b < B; b++, p += 4 * d, r += d) {
          T *before = r_before[b], *l = log_n[b], *h_b = h + b * D;
          SIMD for (long j = 0; j < d; j++) {
            const T i = p[j], f = p[d + j], z = tanh(p[2 * d + j]), o = sigmoid(p[3 * d + j]), e = exp_minus(f);
            const T kept = std::min(f, T(0)) - log1p(e) + l[j], e_kept = exp_minus(i - kept);
            const T alpha = sigmoid(i - kept, e_kept);
            l[j] = std::max(i, kept) + log1p(e_kept);
            r[j] = before[j] += alpha * (z - before[j]), h_b[j] = o * r[j];
            p[j] = alpha, p[d + j] = sigmoid(-f, e), p[2 * d + j] = z, p[3 * d + j] = o;
          }
        }
      }
    }

    void backward(long head, const T* d_h, const Tensors& grads) {
      const T *p = state(GATES, head) + rows * 4 * d, *r = state(R, head) + rows * d;
      Room d_p(rows, 4 * d), by_h(B, d), by_r(B, d), by_log_n(B, d), none(1, d);  // d_p: by the pre-activations
      for (long row = rows - 1; row >= 0; row--) {
        const long b = row % B;
        if (b == B - 1) {
          for (long k = 0; k < B; k++) std::copy_n(d_h + (row - k) * D + head * d, d, by_h[b - k]);
          if (row + B < rows) product(B, d, 4 * d, {d_p[row + 1], 4 * d}, {part(given, RECURRENT, head), d}, by_h);
        }
        p -= 4 * d, r -= d;
        const T *before = row < B ? none[0] : r - B * d, *g_h = by_h[b];
        T *g = d_p[row], *g_r = by_r[b], *g_l = by_log_n[b];
        SIMD for (long j = 0; j < d; j++) {
          const T alpha = p[j], forget = p[d + j], z = p[2 * d + j], o = p[3 * d + j], d_r = g_r[j] + g_h[j] * o;
          const T d_i = d_r * alpha * (1 - alpha) * (z - before[j]) + g_l[j] * alpha, d_o = g_h[j] * r[j] * o * (1 - o);
          g_l[j] -= d_i, g_r[j] = d_r * (1 - alpha);
          g[j] = d_i, g[d + j] = g_l[j] * forget, g[2 * d + j] = d_r * alpha * (1 - z * z), g[3 * d + j] = d_o;
        }
      }
      product(4 * d, d, rows - B, {d_p[B], 1, 4 * d}, {state(H, head), D}, {part(grads, RECURRENT, head), d});
      for (int k = 0; k < 4; k++) {
        const Input by_gate{d_p[0] + k * d, 4 * d};
        const Matrix by_read{k < 2 ? d_a[0] + head * d : part(grads, U, head), D};
        product(d, d, rows, by_gate.transposed(), read_by(k, head), {part(grads, FGATE + k, head), d});
        product(rows, d, d, by_gate, {part(given, FGATE + k, head), d}, by_read);
        T* d_bias = part(grads, BIAS, head) + k * D;
        for (long row = 0; row < rows; row++) SIMD for (long j = 0; j < d; j++) d_bias[j] += by_gate[row][j];
      }
    }

    void end(const Tensors& grads) {
      for (long b = 0; b < B; b++)
        convolve_backward(L, window(d_a[0], b), window(slope[0], b), window(part(given, U), b), taps,
                          window(part(grads, U), b), d_taps, part(grads, CONV_BIAS));
      transpose(TAPS, D, d_taps, {part(grads, CONV), TAPS});
    }
  };

  // ---- mLSTM: a copy of what lies between the projections up and down, window by window ----
  struct MLSTM {
    enum Given { UP, Z, CONV, CONV_BIAS, QUERY, VALUE, GATE_A, GATE_U, GATE_BIAS, SCALE, SKIP };
    // The output and the normalised h (A, B, U); of each window and head weights and probabilities of the attention
    // (A, P), what Row lists (A, ROW), and sigma(-f) (P)
    enum Kept { Y, HIDDEN, WEIGHTS, PROBS, ROWS, FORGET };
    // The normaliser; its sign or the floor, whichever counts; the step that weighs most; 1 / deviation of h
    enum Row { NORM, SIGN, FLOOR, MOST, INVERSE, ROW };

    const Tensors &given, &kept;
    const long n, L, A, parts, U, heads, d, P;  // parts: windows, B; P: steps, and what fills a vector up
    Room taps, query, value, a, slope, v, q, d_a, d_v, d_q, d_h, columns, gates, scores, d_taps;

    static Tensors room(const Tensors& given) {
      const Tensor& z = given[Z];
      const long A = z.size(1), P = padded(given[UP].size(1));
      const auto of_heads = [&](long rows, long width) {
        return at::empty({z.size(0), z.size(2), given[GATE_A].size(1) / 2, rows, width}, z.options());
      };
      return {at::empty_like(z), at::empty_like(z), of_heads(A, P), of_heads(A, P), of_heads(A, ROW), of_heads(1, P)};
    }

    MLSTM(const Tensors& given, const Tensors& kept, long n)
        : given(given), kept(kept), n(n), L(given[UP].size(1)), A(given[Z].size(1)), parts(given[Z].size(2)),
          U(given[Z].size(3)), heads(given[GATE_A].size(1) / 2), d(U / heads), P(padded(L)),
          taps(part(given, CONV), U, TAPS), query(turned(QUERY)), value(turned(VALUE)), a(L, U), slope(L, U), v(L, U),
          q(A, U), d_a(L, U), d_v(L, U), d_q(A, U), d_h(A, U), columns(U, P), gates(2 * heads, P), scores(A, P),
          d_taps(TAPS, U) {}

    static long padded(long steps) { return (steps + LANES - 1) / LANES * LANES; }
    T* part(const Tensors& tensors, int which) const { return of_copy(tensors[which], n); }
    Matrix window(T* x, long b) const { return {x + b * U, parts * U}; }
    Matrix asked(Room& x) const { return {x[L - A], U}; }  // of L rows the last A
    Matrix of_columns(Room& x, long head) const { return {x[0] + head * d, U}; }
    Matrix of_head(int which, long b, long head) const {
      const Tensor& x = kept[which];
      return {part(kept, which) + b * x.stride(1) + head * x.stride(2), x.stride(3)};
    }

    // Weights (blocks, k, k) of blocks on a diagonal, each transposed, as (U, k)
    Room turned(int which) const {
      const long k = given[which].size(2);
      Room all(U, k);
      for (long j = 0; j < U; j += k) transpose(k, k, {part(given, which) + j * k, k}, {all[j], k});
      return all;
    }

    // y (rows, U) += x times such blocks, and its gradient by the weights
    void blockwise(long rows, Input x, Input blocks, Matrix y) const {
      const long k = blocks.row;
      for (long j = 0; j < U; j += k) product(rows, k, k, x.from(0, j), blocks.from(j, 0), y.from(0, j));
    }
    void blockwise_grad(long rows, Input x, Input d_y, Matrix d_blocks) const {
      for (long j = 0, k = d_blocks.row; j < U; j += k)
        product(k, k, rows, d_y.from(0, j).transposed(), x.from(0, j), d_blocks.from(j, 0));
    }

    // a, q and v
    void project(Input u) {
      convolve(L, u, taps, part(given, CONV_BIAS), a, slope);
      q.fill(0), v.fill(0);
      blockwise(A, asked(a), query, q);
      blockwise(L, u, value, v);
    }

    void forward(long b) {
      const Input u = window(part(given, UP), b), z = window(part(given, Z), b);
      const Matrix hidden = window(part(kept, HIDDEN), b), y = window(part(kept, Y), b);
      const T *scale = part(given, SCALE), *skip = part(given, SKIP);
      project(u);
      for (long g = 0; g < 2 * heads; g++) std::fill_n(gates[g], P, part(given, GATE_BIAS)[g]);
      transpose(L, U, u, columns);
      product(2 * heads, P, U, {part(given, GATE_U), U}, columns, gates);
      transpose(L, U, a, columns);
      product(2 * heads, P, U, {part(given, GATE_A), U}, columns, gates);
      for (long m = 0; m < heads; m++) attend(b, m, hidden.from(0, m * d));
      for (long i = 0; i < A; i++) {
        const T *h = hidden[i], *z_i = z[i], *a_i = a[L - A + i];
        T* y_i = y[i];
        SIMD for (long j = 0; j < U; j++) y_i[j] = (scale[j] * h[j] + skip[j] * a_i[j]) * z_i[j] * sigmoid(z_i[j]);
      }
    }

    // h (A, d) of a head, normalised
    void attend(long b, long head, Matrix h) {
      const Matrix probs = of_head(PROBS, b, head), weights = of_head(WEIGHTS, b, head), rows = of_head(ROWS, b, head);
      T *i = gates[head], *f = gates[heads + head], *forget = of_head(FORGET, b, head)[0];
      SIMD for (long t = 0; t < P; t++) {
        const T e = exp_minus(f[t]);
        forget[t] = sigmoid(-f[t], e);
        f[t] = std::min(f[t], T(0)) - log1p(e);  // log sigma(f)
      }
      for (long t = 1; t < L; t++) f[t] += f[t - 1];
      SIMD for (long t = 0; t < P; t++) i[t] -= f[t];
      std::fill_n(probs[0], A * P, 0);
      product(A, P, d, of_columns(q, head), {columns[head * d], P}, probs);
      for (long t = 0, most = 0; t < L; t++) {
        if (i[t] > i[most]) most = t;
        if (const long row = t - (L - A); row >= 0) weigh(t, most, f[t], i, weights[row], probs[row], rows[row]);
      }
      for (long row = 0; row < A; row++) std::fill_n(h[row], d, 0);
      product(A, d, L, probs, of_columns(v, head), h);
      for (long row = 0; row < A; row++) {
        T *x = h[row], mean = 0, variance = 0;
        SIMD_SUM(mean) for (long j = 0; j < d; j++) mean += x[j];
        mean /= d;
        SIMD_SUM(variance) for (long j = 0; j < d; j++) variance += (x[j] - mean) * (x[j] - mean);
        const T inverse = rows[row][INVERSE] = 1 / std::sqrt(variance / d + T(NORM_EPS));
        SIMD for (long j = 0; j < d; j++) x[j] = (x[j] - mean) * inverse;
      }
    }

    // The products q . k of step t become probabilities
    void weigh(long t, long most, T decay, const T* start, T* weights, T* probs, T* row) const {
      const T largest = start[most];
      T total = 0;
      SIMD_SUM(total) for (long s = 0; s < P; s++) {
        const T weight = exp(start[s] - largest);
        weights[s] = s <= t ? weight : 0;
        probs[s] *= weights[s];
        total += probs[s];
      }
      const T floor = exp(std::min(-(decay + largest), T(80))), size = std::abs(total);  // float32 ends at exp(88)
      const T norm = std::max(size, floor) + T(CELL_EPS), inverse = 1 / norm;
      SIMD for (long s = 0; s < P; s++) probs[s] *= inverse;
      row[NORM] = norm, row[MOST] = most;
      row[SIGN] = size < floor ? 0 : (total > 0) - (total < 0), row[FLOOR] = size < floor ? floor : 0;
    }

    void backward(long b, const T* grad, const Tensors& grads) {
      const Input u = window(part(given, UP), b), z = window(part(given, Z), b), hidden = window(part(kept, HIDDEN), b);
      const Matrix d_u = window(part(grads, UP), b), d_z = window(part(grads, Z), b);
      const T *scale = part(given, SCALE), *skip = part(given, SKIP);
      T *d_scale = part(grads, SCALE), *d_skip = part(grads, SKIP);
      project(u);
      for (auto* each : {&d_a, &d_q, &d_v, &gates}) each->fill(0);
      for (long i = 0; i < A; i++) {
        const T *d_y = grad + (i * parts + b) * U, *z_i = z[i], *h = hidden[i], *a_i = a[L - A + i];
        T *d_z_i = d_z[i], *d_a_i = d_a[L - A + i], *d_h_i = d_h[i];
        SIMD for (long j = 0; j < U; j++) {
          const T open = sigmoid(z_i[j]), d_mixed = d_y[j] * z_i[j] * open;
          d_z_i[j] = d_y[j] * (scale[j] * h[j] + skip[j] * a_i[j]) * open * (1 + z_i[j] * (1 - open));
          d_scale[j] += d_mixed * h[j], d_skip[j] += d_mixed * a_i[j];
          d_h_i[j] = d_mixed * scale[j], d_a_i[j] = d_mixed * skip[j];
        }
      }
      transpose(L, U, v, columns);
      for (long m = 0; m < heads; m++) attend_backward(b, m, hidden.from(0, m * d));
      blockwise_grad(A, asked(a), d_q, {part(grads, QUERY), query.width});
      blockwise_grad(L, u, d_v, {part(grads, VALUE), value.width});
      blockwise(A, d_q, {part(given, QUERY), query.width}, asked(d_a));
      blockwise(L, d_v, {part(given, VALUE), value.width}, d_u);
      const Input d_gates = gates;
      product(L, U, 2 * heads, d_gates.transposed(), {part(given, GATE_A), U}, d_a);
      product(L, U, 2 * heads, d_gates.transposed(), {part(given, GATE_U), U}, d_u);
      product(2 * heads, U, L, d_gates, a, {part(grads, GATE_A), U});
      product(2 * heads, U, L, d_gates, u, {part(grads, GATE_U), U});
      for (long g = 0; g < 2 * heads; g++)
        for (long t = 0; t < L; t++) part(grads, GATE_BIAS)[g] += gates[g][t];
      convolve_backward(L, d_a, slope, u, taps, d_u, d_taps, part(grads, CONV_BIAS));
    }

    // from d_h, by h as it is normalised, to the gradients by q, a as keys, v and gates
    void attend_backward(long b, long head, Input h) {
      const Matrix probs = of_head(PROBS, b, head), weights = of_head(WEIGHTS, b, head), rows = of_head(ROWS, b, head);
      const Matrix by_h = of_columns(d_h, head), by_score = scores;
      const T* forget = of_head(FORGET, b, head)[0];
      T *d_i = gates[head], *d_f = gates[heads + head], by_decay = 0;
      for (long row = 0; row < A; row++) {
        const T *x = h[row], inverse = rows[row][INVERSE];
        T *grad = by_h[row], mean = 0, along = 0;
        SIMD_SUM(mean, along) for (long j = 0; j < d; j++) mean += grad[j], along += grad[j] * x[j];
        mean /= d, along /= d;
        SIMD for (long j = 0; j < d; j++) grad[j] = inverse * (grad[j] - mean - x[j] * along);
      }
      scores.fill(0);
      product(A, P, d, by_h, {columns[head * d], P}, scores);
      for (long row = 0; row < A; row++)
        d_f[L - A + row] = weigh_backward(scores[row], weights[row], probs[row], rows[row], d_i);
      product(L, d, A, probs.transposed(), by_h, of_columns(d_v, head));
      product(A, d, L, by_score, of_columns(a, head), of_columns(d_q, head));
      product(L, d, A, by_score.transposed(), of_columns(q, head), of_columns(d_a, head));
      for (long t = L; t-- > 0;) d_f[t] = forget[t] * (by_decay += d_f[t] - d_i[t]);
    }

    // `grad`, by probabilities, becomes that by the products q . k; gives that by the floor's exponent
    T weigh_backward(T* grad, const T* weights, const T* probs, const T* row, T* d_start) const {
      const T norm = row[NORM], inverse = 1 / norm;
      T by_norm = 0, by_all = 0;
      SIMD_SUM(by_norm) for (long s = 0; s < P; s++) by_norm -= grad[s] * probs[s];
      by_norm *= inverse;
      const T by_total = by_norm * row[SIGN], by_floor = -by_norm * row[FLOOR];
      SIMD_SUM(by_all) for (long s = 0; s < P; s++) {
        const T by_score = grad[s] * inverse + by_total, by_log = by_score * probs[s] * norm;
        d_start[s] += by_log, by_all += by_log;
        grad[s] = by_score * weights[s];
      }
      d_start[long(row[MOST])] += by_floor - by_all;
      return by_floor;
    }

    void end(const Tensors& grads) { transpose(TAPS, U, d_taps, {part(grads, CONV), TAPS}); }
  };

  // ---- either, copy after copy ----
  template <class Block> static Tensors forward(const Tensors& given) {
    const Tensors kept = Block::room(given);
    for (long n = 0; n < given[0].size(0); n++) {
      Block block(given, kept, n);
      for (long i = 0; i < block.parts; i++) block.forward(i);
    }
    return kept;
  }

  template <class Block> static Tensors backward(const Tensor& grad, const Tensors& given, const Tensors& kept) {
    Tensors grads;
    for (const Tensor& x : given) grads.push_back(at::zeros_like(x));
    for (long n = 0; n < grad.size(0); n++) {
      Block block(given, kept, n);
      for (long i = 0; i < block.parts; i++) block.backward(i, of_copy(grad, n), grads);
      block.end(grads);
    }
    return grads;
  }
};

}  // namespace

#define OF_EITHER(x, function, Block, ...)                                                            \
  ((x).scalar_type() == at::kFloat ? Blocks<float>::function<Blocks<float>::Block>(__VA_ARGS__) \
                                   : Blocks<double>::function<Blocks<double>::Block>(__VA_ARGS__))

// `given`: what Given lists, each in one piece of memory, all float32 or all float64; `kept`: the output comes first
TORCH_LIBRARY_FRAGMENT(vdcast_native, m) {
  m.def("slstm(Tensor[] given) -> Tensor[]", [](Tensors given) { return OF_EITHER(given[0], forward, SLSTM, given); });
  m.def("mlstm(Tensor[] given) -> Tensor[]", [](Tensors given) { return OF_EITHER(given[0], forward, MLSTM, given); });
  m.def("slstm_backward(Tensor grad, Tensor[] given, Tensor[] kept) -> Tensor[]",
        [](Tensor grad, Tensors given, Tensors kept) { return OF_EITHER(grad, backward, SLSTM, grad, given, kept); });
  m.def("mlstm_backward(Tensor grad, Tensor[] given, Tensor[] kept) -> Tensor[]",
        [](Tensor grad, Tensors given, Tensors kept) { return OF_EITHER(grad, backward, MLSTM, grad, given, kept); });
}
