// The note NT_GNU_BUILD_ID among those of the program that is loaded. _GNU_SOURCE for
// dl_iterate_phdr.
#define _GNU_SOURCE
#include "runtime/system/build_id.h"

#include <link.h>
#include <string.h>

enum { NOTE_ALIGNMENT = 4 };

static size_t padded(size_t size)
{
    return (size + NOTE_ALIGNMENT - 1) / NOTE_ALIGNMENT * NOTE_ALIGNMENT;
}

static ft_slice find_note(const char *notes, size_t size)
{
    static const char name[] = "GNU";
    ElfW(Nhdr) head;

    for (size_t at = 0; at + sizeof(head) <= size;) {
        memcpy(&head, notes + at, sizeof(head));
        const char *owner = notes + at + sizeof(head);
        const char *content = owner + padded(head.n_namesz);
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof(name) &&
            memcmp(owner, name, sizeof(name)) == 0)
            return (ft_slice){content, head.n_descsz};
        at += sizeof(head) + padded(head.n_namesz) + padded(head.n_descsz);
    }
    return (ft_slice){0};
}

// The first object is the program itself.
static int look(struct dl_phdr_info *object, size_t size, void *host)
{
    ft_slice *found = host;

    (void)size;
    for (size_t i = 0; i < object->dlpi_phnum && !found->data; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_NOTE)
            *found = find_note((const char *)(uintptr_t)(object->dlpi_addr + part->p_vaddr),
                               part->p_memsz);
    }
    return 1;
}

ft_slice ft_build_id(void)
{
    ft_slice found = {0};

    dl_iterate_phdr(look, &found);
    return found;
}
