// Arithmetic on tensors: chunk by chunk in double precision, whatever the element type, in a fixed
// order of additions, so that results do not depend on how the work is spread.
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "stages/lua/lua_number.h"
#include "stages/lua/lua_state.h"
#include "stages/lua/lua_tensor.h"

static size_t chunk_at(size_t from, size_t count)
{
    return count - from < FT_LUA_CHUNK ? count - from : FT_LUA_CHUNK;
}

static void check_same_shape(lua_State *L, const ft_lua_tensor *a, const ft_lua_tensor *b)
{
    bool same = a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;

    if (!same)
        luaL_error(L, "the two tensors have different shapes");
}

typedef struct sums {
    double dot, a_square, b_square;
} sums;

static sums add_up(lua_State *L, const ft_lua_tensor *a, const ft_lua_tensor *b)
{
    double x[FT_LUA_CHUNK], y[FT_LUA_CHUNK];
    size_t count = ft_lua_tensor_elements(a);
    sums all = {0, 0, 0};

    for (size_t from = 0; from < count; from += FT_LUA_CHUNK) {
        size_t n = chunk_at(from, count);
        ft_lua_numbers_load(a->dtype, a->data, from, n, x);
        ft_lua_numbers_load(b->dtype, b->data, from, n, y);
        for (size_t i = 0; i < n; i++) {
            all.dot += x[i] * y[i];
            all.a_square += x[i] * x[i];
            all.b_square += y[i] * y[i];
        }
        ft_lua_steps(L, n / 2);
    }
    return all;
}

static sums sums_of_two(lua_State *L)
{
    const ft_lua_tensor *a = ft_lua_check_tensor(L, 1), *b = ft_lua_check_tensor(L, 2);

    check_same_shape(L, a, b);
    return add_up(L, a, b);
}

static int math_dot(lua_State *L)
{
    lua_pushnumber(L, sums_of_two(L).dot);
    return 1;
}

static int math_cosine(lua_State *L)
{
    sums all = sums_of_two(L);
    double size = sqrt(all.a_square) * sqrt(all.b_square);

    lua_pushnumber(L, size > 0 ? all.dot / size : 0);
    return 1;
}

static double norm_of(lua_State *L, const ft_lua_tensor *tensor)
{
    return sqrt(add_up(L, tensor, tensor).a_square);
}

static int math_norm(lua_State *L)
{
    lua_pushnumber(L, norm_of(L, ft_lua_check_tensor(L, 1)));
    return 1;
}

typedef struct spread {
    double sum;
    size_t min_at, max_at, count;
} spread;

static spread spread_of(lua_State *L)
{
    const ft_lua_tensor *tensor = ft_lua_check_tensor(L, 1);
    spread all = {.count = ft_lua_tensor_elements(tensor)};
    double x[FT_LUA_CHUNK], min = INFINITY, max = -INFINITY;

    for (size_t from = 0; from < all.count; from += FT_LUA_CHUNK) {
        size_t n = chunk_at(from, all.count);
        ft_lua_numbers_load(tensor->dtype, tensor->data, from, n, x);
        for (size_t i = 0; i < n; i++) {
            all.sum += x[i];
            if (x[i] < min) {
                min = x[i];
                all.min_at = from + i;
            }
            if (x[i] > max) {
                max = x[i];
                all.max_at = from + i;
            }
        }
        ft_lua_steps(L, n / 2);
    }
    return all;
}

static spread spread_of_some(lua_State *L)
{
    spread all = spread_of(L);

    if (all.count == 0)
        luaL_error(L, "the tensor is empty");
    return all;
}

static int math_sum(lua_State *L)
{
    lua_pushnumber(L, spread_of(L).sum);
    return 1;
}

static int math_mean(lua_State *L)
{
    spread all = spread_of_some(L);

    lua_pushnumber(L, all.sum / (double)all.count);
    return 1;
}

static int math_max(lua_State *L)
{
    ft_lua_tensor_push_element(L, lua_touserdata(L, 1), spread_of_some(L).max_at);
    return 1;
}

static int math_min(lua_State *L)
{
    ft_lua_tensor_push_element(L, lua_touserdata(L, 1), spread_of_some(L).min_at);
    return 1;
}

// From 1, over all elements.
static int math_argmax(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)spread_of_some(L).max_at + 1);
    return 1;
}

// ---- in place ----

typedef void combine(double *x, const double *y, size_t count, double weight);

static void do_add(double *x, const double *y, size_t count, double weight)
{
    (void)weight;
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

static void do_sub(double *x, const double *y, size_t count, double weight)
{
    (void)weight;
    for (size_t i = 0; i < count; i++)
        x[i] -= y[i];
}

static void do_mul(double *x, const double *y, size_t count, double weight)
{
    (void)weight;
    for (size_t i = 0; i < count; i++)
        x[i] *= y[i];
}

static void do_lerp(double *x, const double *y, size_t count, double weight)
{
    for (size_t i = 0; i < count; i++)
        x[i] += (y[i] - x[i]) * weight;
}

// Combines the tensor at 1 with the tensor or number at 2; leaves the first as the result.
static int apply(lua_State *L, combine *combine_chunk, double weight)
{
    double x[FT_LUA_CHUNK], y[FT_LUA_CHUNK];
    const ft_lua_tensor *other = ft_lua_test_tensor(L, 2);

    double number = other ? 0 : luaL_checknumber(L, 2);

    if (other)
        check_same_shape(L, ft_lua_check_tensor(L, 1), ft_lua_check_tensor(L, 2));
    for (size_t i = 0; i < FT_LUA_CHUNK; i++)
        y[i] = number;
    ft_lua_tensor *tensor = ft_lua_check_mutable(L, 1);
    size_t count = ft_lua_tensor_elements(tensor);

    for (size_t from = 0; from < count; from += FT_LUA_CHUNK) {
        size_t n = chunk_at(from, count);
        ft_lua_numbers_load(tensor->dtype, tensor->data, from, n, x);
        if (other)
            ft_lua_numbers_load(other->dtype, other->data, from, n, y);
        combine_chunk(x, y, n, weight);
        ft_lua_numbers_store(tensor->dtype, tensor->data, from, n, x);
        ft_lua_steps(L, n / 2);
    }
    lua_settop(L, 1);
    return 1;
}

static int math_add(lua_State *L)
{
    return apply(L, do_add, 0);
}

static int math_sub(lua_State *L)
{
    return apply(L, do_sub, 0);
}

static int math_mul(lua_State *L)
{
    return apply(L, do_mul, 0);
}

static int math_scale(lua_State *L)
{
    luaL_checknumber(L, 2);
    return apply(L, do_mul, 0);
}

static int math_lerp(lua_State *L)
{
    return apply(L, do_lerp, luaL_checknumber(L, 3));
}

static int math_normalize(lua_State *L)
{
    double norm = norm_of(L, ft_lua_check_mutable(L, 1));

    lua_settop(L, 1);
    if (!(norm > 0))
        return 1;  // Nothing has no direction: zeros stay.
    lua_pushnumber(L, 1 / norm);
    return apply(L, do_mul, 0);
}

static int math_clamp(lua_State *L)
{
    double x[FT_LUA_CHUNK], low = luaL_checknumber(L, 2), high = luaL_checknumber(L, 3);
    ft_lua_tensor *tensor = ft_lua_check_mutable(L, 1);
    size_t count = ft_lua_tensor_elements(tensor);

    luaL_argcheck(L, low <= high, 3, "below the lower bound");
    for (size_t from = 0; from < count; from += FT_LUA_CHUNK) {
        size_t n = chunk_at(from, count);
        ft_lua_numbers_load(tensor->dtype, tensor->data, from, n, x);
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] < low ? low : x[i] > high ? high : x[i];
        ft_lua_numbers_store(tensor->dtype, tensor->data, from, n, x);
        ft_lua_steps(L, n / 2);
    }
    lua_settop(L, 1);
    return 1;
}

const luaL_Reg ft_lua_tensor_math[] = {
    {"add", math_add},     {"argmax", math_argmax},
    {"clamp", math_clamp}, {"cosine", math_cosine},
    {"dot", math_dot},     {"lerp", math_lerp},
    {"max", math_max},     {"mean", math_mean},
    {"min", math_min},     {"mul", math_mul},
    {"norm", math_norm},   {"normalize", math_normalize},
    {"scale", math_scale}, {"sub", math_sub},
    {"sum", math_sum},     {NULL, NULL},
};
